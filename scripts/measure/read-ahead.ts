/**
 * What reading the next stage's weights ahead gains: the same plan run with it and without it, each from an empty page
 * cache, and with --warm also with all weights in the cache already, which is the most there is to gain. In turns, and each
 * round in another order, since other work on the machine comes and goes.
 *
 *   if-gen txt2img PROMPT ... --dry-run --json > plan.json
 *   npm run build && node build/scripts/measure/read-ahead.js plan.json [--rounds 3] [--warm]
 *
 * Needs root, to empty the page cache. Prints seconds per stage, the sum, and how
 * much was read ahead.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runPlan } from "../../src/executor/executor.ts";
import { createReadAhead, readFiles } from "../../src/executor/read-ahead.ts";
import type { Limits, StageNeed } from "../../src/memory/budget.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { dropPageCache } from "./watched-process.ts";

/** The built program's worker; this file is built to build/scripts/measure/. */
const worker = new URL("../../../dist/program/worker.js", import.meta.url);

const ways = ["ahead", "cold", "warm"] as const;
type Way = (typeof ways)[number];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "3" }, warm: { type: "boolean", default: false } },
});
const { memory, ...plan } = JSON.parse(readFileSync(positionals[0] ?? "plan.json", "utf8")) as Plan & {
  memory: { limits: Limits; needs: readonly StageNeed[] };
};

async function run(way: Way): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "measure-read-ahead-"));
  let read = 0;
  const counted: typeof readFiles = async (...job) => {
    const bytes = await readFiles(...job);
    read += bytes;
    return bytes;
  };
  if (way !== "warm") dropPageCache();
  try {
    const times = await runPlan(plan, {
      folder,
      worker,
      imagesOf: () => undefined,
      ...(way === "ahead" ? { readAhead: createReadAhead(plan, memory.needs, memory.limits, { read: counted }) } : {}),
    });
    const seconds = [...times].map(([stage, ms]) => `${stage} ${(ms / 1000).toFixed(1)}`);
    const sum = [...times.values()].reduce((all, ms) => all + ms / 1000, 0);
    console.log(
      `${way.padEnd(6)} ${sum.toFixed(1)} s: ${seconds.join(", ")}; read ahead ${(read / 1e6).toFixed(0)} MB`,
    );
    return sum;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const sums: Record<Way, number[]> = { ahead: [], cold: [], warm: [] };
for (let round = 0; round < Number(values.rounds); round++) {
  const turns: readonly Way[] = round % 2 === 0 ? ["ahead", "cold"] : ["cold", "ahead"];
  for (const way of values.warm ? [...turns, "warm" as const] : turns) sums[way].push(await run(way));
}
const median = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? NaN) + (sorted[sorted.length >> 1] ?? NaN)) / 2;
};
for (const way of ways) if (sums[way].length > 0) console.log(`${way}: median ${median(sums[way]).toFixed(1)} s`);
console.log(
  `cold / ahead, round by round: ${sums.cold.map((s, at) => (s / (sums.ahead[at] ?? NaN)).toFixed(2)).join(", ")}`,
);
