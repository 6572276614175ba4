/** A script in a process of its own, in the environment of a stage, its memory watched as the program watches a stage's. */

import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { type MemoryPeaks, guardMemory } from "../../src/executor/memory-guard.ts";
import { stageEnvironment } from "../../src/machine/environment.ts";

/**
 * @param script a module that takes its job as JSON from its first argument and ends with `finish`.
 * @throws {Error} it ended without a result.
 */
export async function watched<T>(script: URL, job: unknown): Promise<T & { peaks: MemoryPeaks }> {
  const child = fork(script, [JSON.stringify(job)], { env: stageEnvironment(), serialization: "advanced" });
  const guard = guardMemory(child.pid ?? 0);
  return new Promise((resolve, reject) => {
    let result: T | undefined;
    child.on("message", (message) => {
      guard.sample(); // the kernel's own peak is exact only while the process lives
      result = message as T;
      child.disconnect();
    });
    child.once("exit", (code, signal) => {
      const peaks = guard.stop();
      if (result) resolve({ ...result, peaks });
      else reject(new Error(`${script.pathname} ended with ${signal ?? code} and no result`));
    });
  });
}

/** Called by the script, once; it then lives until it was looked at. */
export function finish(result: unknown): void {
  process.channel?.ref();
  process.send?.(result);
}

/** Empties the kernel's page cache, so that the next reader of a file waits for the disk. Needs root. */
export function dropPageCache(): void {
  writeFileSync("/proc/sys/vm/drop_caches", "3");
}
