/**
 * SIGKILL at every moment of a run, a pull and of making weights with fewer bits. Half of the moments are random, half come
 * with a change in the file system: the first, the second, ... file that is made, renamed or removed. After each kill nothing
 * that is found under a final name may be wrong; some kills later the same command is left to its end, and everything has to
 * be as if it had never been killed: the same files with the same bytes, and nothing else.
 */

import { type FSWatcher, readdirSync, statSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { emptyFolder, type Ended, isCrash, isGroupGone, listTree, type Running, run, start } from "./program.ts";
import { createRandom, type Random } from "./random.ts";
import { add, judge, type Row } from "./table.ts";

export interface KilledCommand {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** @returns what is wrong with the files of a killed one. */
  readonly faults: (home: string) => Promise<string[]>;
  /** Of the files whose bytes tell the time. */
  readonly varies: RegExp;
  /** Kills before the command is left to its end. */
  readonly killsInARow: number;
}

export async function killLoop(
  row: Row,
  command: KilledCommand,
  root: string,
  kills: number,
  seed: number,
): Promise<void> {
  const random = createRandom(seed);
  const home = join(root, "killed");
  const whole = await unbroken(command, home);
  for (let done = 0; done < kills;) {
    emptyFolder(home);
    for (let inARow = 0; inARow < command.killsInARow && done < kills; inARow++, done++) {
      const moment = done % 2 === 0 ? { ms: random(whole.ms) } : { change: 1 + random(whole.changes) };
      const faults = await killOnce(row, command, home, moment, random);
      judge(row, `seed ${seed}, kill ${done}, ${JSON.stringify(moment)}`, faults);
    }
    const end = await run(command.args, home, { env: command.env ?? {} });
    judge(row, `seed ${seed}, the end after kill ${done - 1}`, endFaults(end, whole.files, home, command));
  }
}

export interface Whole {
  readonly files: ReadonlyMap<string, string>;
  readonly ms: number;
  readonly changes: number;
}

/** How long it takes, what it changes on the way and what is there at its end. The first time only fills the disk's cache. */
export async function unbroken({ args, env = {} }: KilledCommand, home: string, rounds = 2): Promise<Whole> {
  for (let round = 1; ; round++) {
    emptyFolder(home);
    const running = start(args, home, { env });
    const changes = countChanges(home);
    const end = await running.ended;
    if (end.code !== 0) throw new Error(`the command fails without a kill: ${end.stderr}`);
    if (round === rounds) return { files: listTree(home), ms: Math.ceil(end.ms), changes: changes.end() };
  }
}

async function killOnce(
  row: Row,
  { args, env = {}, faults }: KilledCommand,
  home: string,
  moment: { ms: number } | { change: number },
  random: Random,
): Promise<string[]> {
  const running = start(args, home, { env });
  const group = random(2) === 0;
  const kill = (): void => running.kill("SIGKILL", group);
  const changes = countChanges(home, "change" in moment ? { after: moment.change, reached: kill } : undefined);
  if ("ms" in moment) await Promise.race([sleep(moment.ms).then(kill), running.ended]);
  const end = await running.ended;
  changes.end();
  add(row, end.code === 137 ? "killed" : "ended before", 0);
  return [...(await remaining(running)), ...crashFaults(end), ...(await faults(home))];
}

const remaining = async (running: Running): Promise<string[]> =>
  (await isGroupGone(running)) ? [] : ["a process is left"];

const crashFaults = (end: Ended): string[] =>
  end.code === 137 || end.code === 0 ? [] : [`code ${end.code}: ${end.stderr.slice(-300)}`];

/** @returns what a command that was left to its end says or leaves otherwise than one that was never disturbed. */
export function endFaults(
  end: Ended,
  whole: ReadonlyMap<string, string>,
  home: string,
  { varies }: KilledCommand,
): string[] {
  if (end.code !== 0 || isCrash(end)) return [`code ${end.code}: ${end.stderr.slice(-500)}`];
  const files = listTree(home);
  const missing = [...whole.keys()].filter((path) => !files.has(path) && !varies.test(path));
  const left = [...files.keys()].filter((path) => !whole.has(path) && !varies.test(path));
  const other = [...files].filter(([path, hash]) => whole.has(path) && whole.get(path) !== hash && !varies.test(path));
  return [
    ...missing.map((path) => `${path} is missing`),
    ...left.map((path) => `${path} is left`),
    ...other.map(([path]) => `${path} has other bytes`),
  ];
}

/** Counts what happens to names below a folder, and tells when so much has. Node's own recursive watcher never ends. */
function countChanges(home: string, when?: { after: number; reached: () => void }): { end: () => number } {
  let count = 0;
  const watchers = new Map<string, FSWatcher>();
  const watchFolder = (folder: string): void => {
    if (watchers.has(folder)) return;
    try {
      const watcher = watch(folder, (event, name) => {
        if (event !== "rename") return;
        if (++count === when?.after) when.reached();
        const path = join(folder, name ?? "");
        if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) watchFolder(path);
      });
      watcher.on("error", () => undefined);
      watchers.set(folder, watcher);
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isDirectory()) watchFolder(join(folder, entry.name));
      }
    } catch {
      // removed meanwhile
    }
  };
  watchFolder(home);
  return {
    end: () => {
      for (const watcher of watchers.values()) watcher.close();
      return Math.max(1, count);
    },
  };
}
