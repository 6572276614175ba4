/**
 * SIGHUP, SIGINT, SIGQUIT and SIGTERM at random moments, to the program alone and to its group. Each ends it with its documented
 * code, within seconds, with nothing left: no process, no temporary folder, no half file. What comes too late changes nothing.
 */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { killedPull, killedQuantisation, killedRun } from "./killed-commands.ts";
import { endFaults, type KilledCommand, unbroken } from "./kills.ts";
import { emptyFolder, isCrash, isGroupGone, listTree, run, start } from "./program.ts";
import { createRandom } from "./random.ts";
import { serveCheckpoints } from "./serve-checkpoints.ts";
import { add, judge, type Row, type Table } from "./table.ts";

const codes = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 } as const;
const signalNames = Object.keys(codes) as (keyof typeof codes)[];

export interface SignalOptions {
  readonly count: number;
  readonly seed: number;
  readonly isAsked: (name: string) => boolean;
}

export async function signals(table: Table, root: string, { count, seed, isAsked }: SignalOptions): Promise<void> {
  const served = await serveCheckpoints();
  const commands: Readonly<Record<string, () => Promise<KilledCommand>>> = {
    "signal: run": () => killedRun(root),
    "signal: quantisation": () => killedQuantisation(root),
    "signal: pull": async () => killedPull(served.url),
  };
  try {
    for (const [name, command] of Object.entries(commands)) {
      if (isAsked(name)) await loop(table.row(name), await command(), join(root, "signals"), count, seed);
    }
  } finally {
    served.close();
  }
}

async function loop(row: Row, command: KilledCommand, home: string, count: number, seed: number): Promise<void> {
  const random = createRandom(seed);
  const whole = await unbroken(command, home);
  emptyFolder(home);
  for (let index = 0; index < count; index++) {
    const signal = signalNames[index % signalNames.length] ?? "SIGINT";
    const [ms, group] = [random(whole.ms), random(2) === 0];
    const running = start(command.args, home, { env: command.env ?? {} });
    await Promise.race([sleep(ms).then(() => running.kill(signal, group)), running.ended]);
    const end = await running.ended;
    add(row, end.code === 0 ? "ended before" : String(end.code), 0);
    judge(row, `seed ${seed}, ${signal} ${index} after ${ms} ms, ${group ? "group" : "program"}`, [
      ...(end.code === codes[signal] || end.code === 0 ? [] : [`code ${end.code}: ${end.stderr.slice(-500)}`]),
      ...(isCrash(end) ? [end.stderr.slice(-500)] : []),
      ...((await isGroupGone(running)) ? [] : ["a process is left"]),
      ...leftovers(home).map((path) => `${path} is left`),
      ...(await command.faults(home)),
    ]);
    if (end.code !== 0 && index % 4 !== 3) continue;
    const last = await run(command.args, home, { env: command.env ?? {} });
    judge(row, `seed ${seed}, the end after signal ${index}`, endFaults(last, whole.files, home, command));
    emptyFolder(home);
  }
}

/** What is kept for the next run (stages, parts of downloads) has names of its own. */
const leftovers = (home: string): string[] =>
  [...listTree(home).keys()].filter((path) => /\.tmp\b|^tmp\/.|\.lock$/.test(path));
