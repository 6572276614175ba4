/**
 * Damaged and hostile input of every foreign format, and a hostile Hub: `npm run torture -- [--seed N] [--cases N] [--only NAME]`.
 * Not part of `npm test`, which has a quick sample of each kind. A case is broken when it ends in anything but an answer (read,
 * or one of our own errors), takes more than 2 s or more than 300 MB; the command then ends with 1.
 */

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeBombs } from "./bombs.ts";
import { type CaseResult, CaseRunner } from "./cases.ts";
import { listFormats, writeCase, writeSample } from "./damage.ts";
import { damagedListing, runScenario, scenarios } from "./hub.ts";

const limits = { ms: 2000, bytes: 300e6 };

interface Row {
  readonly name: string;
  readonly counts: Record<string, number>;
  slowestMs: number;
  mostBytes: number;
  broken: number;
}

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    cases: { type: "string", default: "200" },
    only: { type: "string", default: "" },
  },
});
const [seed, cases] = [Number(values.seed), Number(values.cases)];
const project = new URL("../../../", import.meta.url).pathname;
const root = mkdtempSync(join(tmpdir(), "if-gen-torture-"));
const rows: Row[] = [];
try {
  await damaged();
  await bombs();
  await hub();
} finally {
  rmSync(root, { recursive: true, force: true });
}
print();
process.exitCode = rows.some(({ broken }) => broken > 0) ? 1 : 0;

async function damaged(): Promise<void> {
  const runner = new CaseRunner();
  for (const format of await listFormats(project, root)) {
    if (!format.name.includes(values.only)) continue;
    const row = addRow(format.name);
    for (let index = 0; index < format.samples.length; index++) {
      const { outcome, message } = await runner.run(writeSample(format, index, join(root, "case")));
      if (outcome === "read") continue;
      row.broken++;
      console.error(`${row.name}: the good file ${index} is not read (${outcome}). ${message.slice(0, 300)}`);
    }
    for (let index = 0; index < cases; index++) {
      const result = await runner.run(writeCase(format, seed, index, join(root, "case")));
      count(row, result, `seed ${seed}, case ${index}`);
    }
  }
  runner.end();
}

async function bombs(): Promise<void> {
  const runner = new CaseRunner();
  const tokenizers = { t5: "if-i/tokenizer", clip: "x4-upscaler/tokenizer" };
  const all = await makeBombs(root, (kind, folder) => {
    cpSync(join(project, "test/golden/checkpoints", tokenizers[kind]), folder, { recursive: true });
  });
  for (const bomb of all) {
    if (!bomb.name.includes(values.only)) continue;
    const name = `made to take much: ${bomb.name.split(":", 1)[0]}`;
    runner.end(); // a new process each: what the one before took is given back
    count(rows.find((row) => row.name === name) ?? addRow(name), await runner.run(bomb), bomb.name);
  }
  runner.end();
}

async function hub(): Promise<void> {
  const row = addRow("Hub: scenarios");
  for (const [name, answer] of Object.entries(scenarios)) {
    if (!`Hub: ${name}`.includes(values.only)) continue;
    countHub(row, await runScenario(answer), name);
  }
  const listings = addRow("Hub: damaged listings");
  for (let index = 0; index < cases && "Hub: damaged listings".includes(values.only); index++) {
    countHub(listings, await runScenario(damagedListing(seed, index)), `seed ${seed}, case ${index}`);
  }
}

function addRow(name: string): Row {
  const row = { name, counts: {}, slowestMs: 0, mostBytes: 0, broken: 0 };
  rows.push(row);
  return row;
}

function count(row: Row, { outcome, message, ms, peakBytes }: CaseResult, what: string): void {
  add(row, outcome, ms);
  row.mostBytes = Math.max(row.mostBytes, peakBytes);
  const isAnswer = outcome === "read" || outcome === "refused";
  if (isAnswer && ms <= limits.ms && peakBytes <= limits.bytes) return;
  row.broken++;
  console.error(
    `${row.name}, ${what}: ${outcome}, ${ms.toFixed(0)} ms, ${(peakBytes / 1e6).toFixed(0)} MB. ${message.slice(0, 500)}`,
  );
}

function countHub(row: Row, { outcome, message, ms }: Awaited<ReturnType<typeof runScenario>>, what: string): void {
  add(row, outcome, ms);
  if (outcome === "right" || outcome === "refused") return;
  row.broken++;
  console.error(`${row.name}, ${what}: ${outcome}. ${message.slice(0, 500)}`);
}

function add(row: Row, outcome: string, ms: number): void {
  row.counts[outcome] = (row.counts[outcome] ?? 0) + 1;
  row.slowestMs = Math.max(row.slowestMs, ms);
}

function print(): void {
  console.log(
    `seed ${seed}, ${cases} cases a format\n\n| what | cases | read | refused | broken | slowest | most memory |`,
  );
  console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
  for (const { name, counts, slowestMs, mostBytes, broken } of rows) {
    const all = Object.values(counts).reduce((sum, value) => sum + value, 0);
    if (all === 0) continue;
    const memory = mostBytes === 0 ? "" : `${(mostBytes / 1e6).toFixed(0)} MB`;
    const read = (counts["read"] ?? 0) + (counts["right"] ?? 0);
    console.log(
      `| ${name} | ${all} | ${read} | ${counts["refused"] ?? 0} | ${broken} | ${slowestMs.toFixed(0)} ms | ${memory} |`,
    );
  }
}
