/** The child of run-cases: reads one damaged file after the other and says what came of it and what it took. */

import { readFileSync, writeFileSync } from "node:fs";
import { IfGenError } from "../../src/errors.ts";
import { readers } from "./readers.ts";
import type { CaseJob, CaseResult } from "./cases.ts";

process.on("message", (job: CaseJob) => {
  void run(job).then((result) => process.send?.(result));
});

async function run({ reader, folder, file }: CaseJob): Promise<CaseResult> {
  forgetPeak();
  const startMs = performance.now();
  let outcome: CaseResult["outcome"] = "read";
  let message = "";
  try {
    await readers[reader]?.(folder, file);
  } catch (error) {
    outcome = error instanceof IfGenError ? "refused" : "crashed";
    message = error instanceof Error ? (outcome === "crashed" ? (error.stack ?? "") : error.message) : String(error);
  }
  return { outcome, message, ms: performance.now() - startMs, peakBytes: peakBytes() };
}

/** Linux: the highest resident size of this process counts from now on. */
function forgetPeak(): void {
  (globalThis as { gc?: () => void }).gc?.();
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // not Linux: the peak of all cases so far
  }
}

function peakBytes(): number {
  try {
    const [, kib] = /VmHWM:\s*(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return Number(kib) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}
