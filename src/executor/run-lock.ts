/**
 * @module executor/run-lock
 * One process at a time in a folder: a file that tells whose turn it is, and that its owner touches while it lives.
 */

import { readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { OutputError, UsageError, whyNotWritten } from "../errors.ts";
import { isAlive, machineMark } from "../files/draft.ts";

const LOCK = "run.lock";
/** How often the owner touches it, and how long another machine's stays untouched before its owner counts as lost. */
const TOUCH_MS = 5_000;
const LOST_MS = 30_000;

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
export async function takeLock(path: string, option: string): Promise<RunLock> {
  const lock = join(path, LOCK);
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await createLock(lock, path)) return held(lock);
    const [machine, pid] = (await readFile(lock, "utf8").catch(() => "")).trim().split(" ");
    const isHeld = machine === machineMark() ? isAlive(Number(pid)) : await isTouched(lock);
    if (isHeld) {
      throw new UsageError(
        `another process (${pid || "not known"}) is running in ${path}; wait for it, give another ${option}, ` +
          `or remove ${lock} if that process is gone.`,
      );
    }
    await rm(lock, { force: true }); // its owner was killed
  }
  throw new UsageError(`other processes take turns in ${path}; give another ${option}.`);
}

/** @returns false: there is one. */
async function createLock(lock: string, path: string): Promise<boolean> {
  try {
    await writeFile(lock, `${machineMark()} ${process.pid}\n`, { flag: "wx" });
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new OutputError(`the run folder ${path} cannot be written to: ${whyNotWritten(cause)}.`, { cause });
  }
}

function held(lock: string): RunLock {
  const touch = (): void => {
    const now = new Date();
    utimes(lock, now, now).catch(() => undefined); // the next one will do
  };
  const timer = setInterval(touch, TOUCH_MS).unref();
  return {
    async release() {
      clearInterval(timer);
      await rm(lock, { force: true }).catch(() => undefined); // what ended the run is what has to be told
    },
  };
}

/** Clocks of two machines may differ: only whether the time changes is looked at. */
async function isTouched(lock: string): Promise<boolean> {
  const timeOf = (): Promise<number | undefined> =>
    stat(lock).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    );
  const before = await timeOf();
  for (let waited = 0; waited < LOST_MS; waited += TOUCH_MS) {
    await delay(TOUCH_MS);
    const now = await timeOf();
    if (now === undefined) return false;
    if (now !== before) return true;
  }
  return false;
}
