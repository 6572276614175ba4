/**
 * @module executor/run-lock
 * One process at a time in a folder: a file that tells whose turn it is, and that its owner touches while it lives.
 */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { open, readdir, rm, stat, utimes } from "node:fs/promises";
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
/** Each attempt fails for a reason of its own: the lock was released, or another process has just taken it. */
const ATTEMPTS = 5;

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
  const mine = ownersLine();
  const owner = await writing(what, () => acquire(lock, mine, times));
  if (owner === undefined) {
    await sweepClaims(path, mine);
    return held(lock, mine, times);
  }
  throw new UsageError(
    `another process (${owner}) is running in ${path}; wait for it, give another ${option}, ` +
      `or remove ${lock} if that process is gone.`,
  );
}

/** Machine, process, and a name of this lock alone. */
const ownersLine = (): string => `${machineMark()} ${process.pid} ${randomBytes(8).toString("hex")}\n`;

function ownerOf(text: string): { machine: string; pid: string; id: string } {
  const [machine = "", pid = "", id = ""] = text.trim().split(" ");
  return { machine, pid, id: /^[0-9a-f]{1,64}$/.test(id) ? id : "unnamed" }; // it becomes part of a file's name
}

/**
 * Exactly one process gets it, however late others act on what they have read: a dead owner's lock is replaced only by who holds
 * the claim on that very lock, a lock of its own that is named after it, and then still finds it there.
 * @returns undefined: it is taken; else the process that has it.
 */
async function acquire(lock: string, mine: string, times: LockTimes): Promise<string | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await createFile(lock, mine)) return undefined;
    const text = readWords(lock);
    if (text === undefined && !existsSync(lock)) continue; // released meanwhile
    const { machine, pid, id } = ownerOf(text ?? "");
    const isHeld = machine === machineMark() ? isAlive(Number(pid)) : await isTouched(lock, times);
    if (isHeld) return pid || "not known";
    const claim = `${lock}.${id}`;
    const claimant = await acquire(claim, ownersLine(), times);
    if (claimant !== undefined) return claimant;
    try {
      if (readWords(lock) !== text) continue; // another one was faster
      await replaceFile(lock, mine);
      return undefined;
    } finally {
      await rm(claim, { force: true });
    }
  }
  return "not known: they take turns";
}

/** Claims that were left by processes that were killed at that moment; on the lock that is held nobody makes one. */
async function sweepClaims(path: string, mine: string): Promise<void> {
  const current = `${LOCK}.${ownerOf(mine).id}`;
  for (const name of await readdir(path).catch(() => [])) {
    if (!name.startsWith(`${LOCK}.`) || name === current) continue;
    const { machine, pid } = ownerOf(readWords(join(path, name)) ?? "");
    if (machine === machineMark() && !isAlive(Number(pid))) {
      await rm(join(path, name), { force: true }).catch(() => undefined);
    }
  }
}

function held(lock: string, mine: string, { touchMs }: LockTimes): RunLock {
  const touch = (): void => {
    const now = new Date();
    utimes(lock, now, now).catch(() => undefined); // the next one will do
  };
  const timer = setInterval(touch, touchMs).unref();
  return {
    async release() {
      clearInterval(timer);
      if (readWords(lock) !== mine) return; // it was taken for lost, and is another's
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
