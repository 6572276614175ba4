/**
 * @module hub/lock
 * One process per blob: `.locks/models--org--name/<etag>.lock`, made with O_EXCL, holding who made it, touched while held.
 *
 * A lock is abandoned when its process is gone (same machine and process namespace) or when it was not touched for a
 * minute. Python leaves empty lock files behind for good and holds them with flock(2), which Node cannot call but
 * Linux shows in /proc/locks; so an empty one counts only while it is held there.
 * The lock saves traffic; the files are right without it too, see hub/partial-file.
 */

import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { readdir, rm, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isAlive } from "../files/draft.ts";
import { HubError } from "../errors.ts";
import { readWords } from "../files/regular-file.ts";
import { makeFolder } from "../files/make-folder.ts";
import { replaceFile } from "../files/replace-file.ts";
import { pause } from "./retry.ts";

const touchMs = 5_000;
const abandonedMs = 60_000;
const pollMs = 100;
const settleMs = 50;
const emptyMs = 2_000; // between making a lock and writing into it

/** Locks this process holds, by nonce: a process id comes back after a restart, in a container almost surely. */
const held = new Set<string>();

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once, when somebody else holds it. */
  readonly onWait?: (() => void) | undefined;
  /** What the holder is making; while its size changes, it is waited for. */
  readonly watchedPath: string;
  /** How long to wait while it does not. */
  readonly lockMs: number;
}

/**
 * Runs `run` alone among all processes that share the cache.
 * @throws {HubError} locked: the holder lives, and makes no progress.
 */
export async function withLock<T>(path: string, options: LockOptions, run: () => Promise<T>): Promise<T> {
  const owner = JSON.stringify({ nonce: randomUUID(), pid: process.pid, place: place() });
  held.add(owner); // before the file is there: others of this process must not take it for a dead one's
  try {
    await acquire(path, owner, options);
    const timer = setInterval(() => void touch(path), touchMs).unref();
    try {
      return await run();
    } finally {
      clearInterval(timer);
      await release(path, owner);
    }
  } finally {
    held.delete(owner);
  }
}

/** Does a living process hold it? */
export async function isLocked(path: string): Promise<boolean> {
  const text = readWords(path);
  return text !== undefined && !isAbandoned(path, text);
}

/** Removes locks of this program whose owners are gone; Python's own stay. Who takes one over meanwhile is none the worse. */
export async function sweepLocks(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const text = name.endsWith(".lock") ? readWords(path) : undefined;
    if (text !== undefined && parseOwner(text) !== undefined && isAbandoned(path, text)) {
      await rm(path, { force: true }).catch(() => undefined);
    }
  }
}

async function acquire(path: string, owner: string, options: LockOptions): Promise<void> {
  let watchedBytes = -1;
  let quietSinceMs = Date.now();
  for (let round = 0; !(await tryAcquire(path, owner)); round++) {
    if (round === 0) options.onWait?.();
    const bytes = statSync(options.watchedPath, { throwIfNoEntry: false })?.size ?? 0;
    if (bytes !== watchedBytes) [watchedBytes, quietSinceMs] = [bytes, Date.now()];
    if (Date.now() - quietSinceMs > options.lockMs) throw lockedError(path);
    await pause(pollMs, options.signal);
  }
}

async function tryAcquire(path: string, owner: string): Promise<boolean> {
  try {
    await writeFile(path, owner, { flag: "wx" });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST" && code !== "ENOENT") throw error;
    if (code === "ENOENT") {
      await makeFolder(dirname(path)); // its folder was removed with the repository
      return false; // the next round tries again
    }
  }
  const found = readWords(path);
  return found !== undefined && isAbandoned(path, found) && takeOver(path, owner);
}

/** Of several that try at once the last one's rename stands, and each looks again after all have had time for theirs. */
async function takeOver(path: string, owner: string): Promise<boolean> {
  await replaceFile(path, owner, { sync: false });
  await pause(settleMs);
  return readWords(path) === owner;
}

async function release(path: string, owner: string): Promise<void> {
  const found = readWords(path);
  if (found === owner) await rm(path, { force: true });
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined); // gone with its folder: nothing left to hold
}

function isAbandoned(path: string, text: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return false; // released meanwhile: try again
  if (text === "" && status.size === 0) return !isHeldByFlock(status.ino) && Date.now() - status.mtimeMs > emptyMs;
  const owner = parseOwner(text);
  if (owner?.place === place() && !isHolding(owner.pid, text)) return true;
  return Date.now() - status.mtimeMs > abandonedMs;
}

function parseOwner(text: string): { pid: number; place: string } | undefined {
  try {
    const { pid, place } = JSON.parse(text) as { pid?: unknown; place?: unknown };
    return Number.isSafeInteger(pid) && typeof place === "string" ? { pid: pid as number, place } : undefined;
  } catch {
    return undefined; // another program's
  }
}

const isHolding = (pid: number, text: string): boolean => (pid === process.pid ? held.has(text) : isAlive(pid));

/** Where process ids mean the same: this boot of this machine and its process namespace. */
function place(): string {
  try {
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return process.platform; // no Linux
  }
}

/** /proc/locks: `1: FLOCK ADVISORY WRITE 4242 fe:00:131 0 EOF`, the inode behind the last colon. */
function isHeldByFlock(ino: number): boolean {
  try {
    const lines = readFileSync("/proc/locks", "utf8").split("\n");
    return lines.some((line) => line.includes("FLOCK") && line.includes(`:${ino} `));
  } catch {
    return false;
  }
}

function lockedError(path: string): HubError {
  const text = `Another process holds ${path} and makes no progress; end it, or remove that file if there is none.`;
  return new HubError("locked", text);
}
