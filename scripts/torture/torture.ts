/**
 * Everything that can go wrong around a run: `npm run torture -- [--seed N] [--cases N] [--kills N] [--only NAME]`. Not part of
 * `npm test`, which has a quick sample of each kind. Parts: `input` (damaged and hostile files), `hub` (a Hub that answers
 * wrongly), `kill` (SIGKILL at every moment), `disk` (disks without room), `stream` (closed and full streams), `signal`.
 * The command ends with 1 when a case is broken.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bombs, damaged, type InputOptions } from "./input.ts";
import { hub } from "./hub.ts";
import { killedBatch, killedPull, killedQuantisation, killedRun } from "./killed-commands.ts";
import { killLoop } from "./kills.ts";
import { fullDisks } from "./full-disk.ts";
import { serveCheckpoints } from "./serve-checkpoints.ts";
import { signals } from "./signals.ts";
import { streams } from "./streams.ts";
import { Table } from "./table.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    cases: { type: "string", default: "200" },
    kills: { type: "string", default: "100" },
    only: { type: "string", default: "" },
  },
});
const [seed, cases, kills] = [Number(values.seed), Number(values.cases), Number(values.kills)];
const root = mkdtempSync(join(tmpdir(), "if-gen-torture-"));
const table = new Table();
const isAsked = (name: string): boolean => name.includes(values.only);
const input: InputOptions = { seed, cases, root, isAsked };

try {
  await damaged(table, input);
  await bombs(table, input);
  await hub(table, input);
  await killed();
  await fullDisks(table, root, { count: kills, isAsked });
  if (isAsked("streams")) await streams(table, root);
  await signals(table, root, { count: kills, seed, isAsked });
} finally {
  rmSync(root, { recursive: true, force: true });
}
console.log(`seed ${seed}, ${cases} cases a format, ${kills} kills and signals a kind\n`);
table.print();
process.exit(table.isBroken ? 1 : 0); // a reader of damaged input that was cut off may still hold its file

async function killed(): Promise<void> {
  if (isAsked("kill: run")) await killLoop(table.row("kill: run"), await killedRun(root), root, kills, seed);
  if (isAsked("kill: batch")) await killLoop(table.row("kill: batch"), await killedBatch(root), root, kills, seed);
  if (isAsked("kill: quantisation")) {
    await killLoop(table.row("kill: quantisation"), await killedQuantisation(root), root, kills, seed);
  }
  if (!isAsked("kill: pull")) return;
  const served = await serveCheckpoints();
  try {
    await killLoop(table.row("kill: pull"), killedPull(served.url), root, kills, seed);
  } finally {
    served.close();
  }
}
