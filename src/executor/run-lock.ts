/**
 * @module executor/run-lock
 * One process at a time in a folder: a file that tells whose turn it is, and that its owner touches while it lives.
 */

import { open, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { UsageError } from "../errors.ts";
import { isAlive, machineMark } from "../files/draft.ts";
import { createFile } from "../files/place-file.ts";
import { readWords } from "../files/regular-file.ts";
import { replaceFile } from "../files/replace-file.ts";
import { writing } from "../files/writing.ts";

const LOCK = "run.lock";
/** The option whose folder is called a run folder. */
const RUN_DIR = "--run-dir";
interface LockTimes {
  /** How often the owner touches it. */
  readonly touchMs: number;
  /** How long another machine's stays untouched before its owner counts as lost. */
  readonly lostMs: number;
}
const TIMES: LockTimes = { touchMs: 5_000, lostMs: 30_000 };
/** So long a process that has taken a dead one's lock waits for others that do the same at that moment. */
const SETTLE_MS = 50;

export interface RunLock {
  /** Lets another run take the folder. Never fails: a lock that stays is taken once its owner is gone. */
  readonly release: () => Promise<void>;
}

/**
 * Where the owner may be on another machine, or in another container, it is watched for half a minute.
 * @param option that names the folder, for the error.
 * @throws {UsageError} another process runs in the folder.
 * @throws {OutputError} nothing can be written there.
 */
export async function takeLock(path: string, option: string, times: LockTimes = TIMES): Promise<RunLock> {
  const lock = join(path, LOCK);
  const what = option === RUN_DIR ? `the run folder ${path}` : path;
  const mine = `${machineMark()} ${process.pid}\n`;
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await writing(what, () => createFile(lock, mine))) return held(lock, times);
    const [machine, pid] = (readWords(lock) ?? "").trim().split(" ");
    const isHeld = machine === machineMark() ? isAlive(Number(pid)) : await isTouched(lock, times);
    if (isHeld) {
      throw new UsageError(
        `another process (${pid || "not known"}) is running in ${path}; wait for it, give another ${option}, ` +
          `or remove ${lock} if that process is gone.`,
      );
    }
    await writing(what, () => replaceFile(lock, mine)); // its owner was killed
    await delay(SETTLE_MS);
    if ((readWords(lock) ?? "") === mine) return held(lock, times); // of several that took it the last one
  }
  throw new UsageError(`other processes take turns in ${path}; give another ${option}.`);
}

function held(lock: string, { touchMs }: LockTimes): RunLock {
  const touch = (): void => {
    const now = new Date();
    utimes(lock, now, now).catch(() => undefined); // the next one will do
  };
  const timer = setInterval(touch, touchMs).unref();
  return {
    async release() {
      clearInterval(timer);
      await rm(lock, { force: true }).catch(() => undefined); // what ended the run is what has to be told
    },
  };
}

/** Clocks of two machines may differ: only whether the time changes is looked at. */
async function isTouched(lock: string, { touchMs, lostMs }: LockTimes): Promise<boolean> {
  const before = await touchedAt(lock);
  if (before === "no file") return true; // no process of this program makes a pipe or a device there
  for (let waited = 0; waited < lostMs; waited += touchMs) {
    await delay(touchMs);
    const now = await touchedAt(lock);
    if (now === undefined) return false;
    if (now !== before) return true;
  }
  return false;
}

/** Opened, since a network's file system may answer `stat` from its memory. @returns undefined: it is gone. */
async function touchedAt(lock: string): Promise<number | "no file" | undefined> {
  try {
    if (!(await stat(lock)).isFile()) return "no file";
    const file = await open(lock);
    try {
      return (await file.stat()).mtimeMs;
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}
