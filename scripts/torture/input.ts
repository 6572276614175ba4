/**
 * Damaged and hostile input of every foreign format. A case is broken when it ends in anything but an answer (read, or one of
 * our own errors), takes more than 2 s or more than 300 MB.
 */

import { cpSync } from "node:fs";
import { join } from "node:path";
import { makeBombs } from "./bombs.ts";
import { type CaseResult, CaseRunner } from "./cases.ts";
import { listFormats, writeCase, writeSample } from "./damage.ts";
import { checkpoints, project } from "./program.ts";
import { add, judge, type Row, type Table } from "./table.ts";

const limits = { ms: 2000, bytes: 300e6 };

export interface InputOptions {
  readonly seed: number;
  /** Of each format. */
  readonly cases: number;
  /** A folder to write in. */
  readonly root: string;
  readonly isAsked: (name: string) => boolean;
}

export async function damaged(table: Table, { seed, cases, root, isAsked }: InputOptions): Promise<void> {
  const runner = new CaseRunner();
  for (const format of await listFormats(project, root)) {
    const row = table.row(`input: ${format.name}`);
    if (!isAsked(row.name)) continue;
    for (let index = 0; index < format.samples.length; index++) {
      const { outcome, message } = await runner.run(writeSample(format, index, join(root, "case")));
      const isRead = outcome === "read";
      judge(row, `the good file ${index}`, isRead ? [] : [`is not read (${outcome}). ${message.slice(0, 300)}`]);
    }
    for (let index = 0; index < cases; index++) {
      const result = await runner.run(writeCase(format, seed, index, join(root, "case")));
      count(row, result, `seed ${seed}, case ${index}`);
    }
  }
  runner.end();
}

export async function bombs(table: Table, { root, isAsked }: InputOptions): Promise<void> {
  const runner = new CaseRunner();
  const tokenizers = { t5: "if-i/tokenizer", clip: "x4-upscaler/tokenizer" };
  const all = await makeBombs(root, (kind, folder) => {
    cpSync(join(checkpoints, tokenizers[kind]), folder, { recursive: true });
  });
  for (const bomb of all) {
    const name = `input made to take much: ${bomb.name.split(":", 1)[0]}`;
    if (!isAsked(name) && !isAsked(bomb.name)) continue;
    runner.end(); // a new process each: what the one before took is given back
    count(table.row(name), await runner.run(bomb), bomb.name);
  }
  runner.end();
}

function count(row: Row, { outcome, message, ms, peakBytes }: CaseResult, what: string): void {
  const isAnswer = outcome === "read" || outcome === "refused";
  add(row, outcome, ms);
  row.mostBytes = Math.max(row.mostBytes, peakBytes);
  const measured = `${outcome}, ${ms.toFixed(0)} ms, ${(peakBytes / 1e6).toFixed(0)} MB. ${message.slice(0, 500)}`;
  judge(row, what, isAnswer && ms <= limits.ms && peakBytes <= limits.bytes ? [] : [measured]);
}
