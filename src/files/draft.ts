/**
 * @module files/draft
 * Names of files and folders that are not finished. They tell which process makes them, so that what a killed one left
 * behind can be told from what a living one is at, and swept by the next run.
 */

import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { lstat, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** `if-gen-<machine>-<process>-<random>`, hidden and with `.tmp` for a file. Short: the longest file name is 255 bytes. */
const pattern = /^\.?if-gen-(?<machine>[0-9a-f]{8})-(?<pid>\d+)-[0-9a-f]{8}(?:\.tmp)?$/;

const draftName = (): string => `if-gen-${machineMark()}-${process.pid}-${randomBytes(4).toString("hex")}`;

/** @returns a path that does not exist, beside `path`. */
export const draftBeside = (path: string): string => join(dirname(path), `.${draftName()}.tmp`);

/** @returns the path of a folder that does not exist, in `parent`. */
export const draftFolderIn = (parent: string): string => join(parent, draftName());

/** Is it a name of this module: a file or folder that is being made, or was left? */
export const isDraft = (name: string): boolean => pattern.test(name);

/** Removes what processes that are gone have left in `folder`. Never fails: leftovers do no other harm. */
export async function sweepDrafts(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const path = join(folder, name);
    if (await isAbandoned(path, name)) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** @returns sweepDrafts, for somebody who comes back to the same folders: of each the first time. */
export function createSweeper(): typeof sweepDrafts {
  const swept = new Set<string>();
  return async (folder) => {
    if (swept.has(folder)) return;
    swept.add(folder);
    await sweepDrafts(folder);
  };
}

/**
 * A process of another machine, another container or an earlier boot cannot be asked for: nobody writes to a draft for days.
 * No stage takes so long.
 */
const foreignDraftMs = 3 * 24 * 60 * 60 * 1000;

async function isAbandoned(path: string, name: string): Promise<boolean> {
  const { machine, pid } = pattern.exec(name)?.groups ?? {};
  if (machine === undefined) return false;
  if (machine === machineMark()) return !isAlive(Number(pid));
  return Date.now() - (await newestMs(path)) > foreignDraftMs;
}

/** When a file, or anything in a folder, was last written to. */
async function newestMs(path: string): Promise<number> {
  const inside = await readdir(path, { recursive: true }).catch(() => []); // a file
  const all = [path, ...inside.map((name) => join(path, name))];
  const times = await Promise.all(
    all.map((one) =>
      lstat(one).then(
        ({ mtimeMs }) => mtimeMs,
        () => Date.now(),
      ),
    ),
  );
  return Math.max(...times);
}

/** One that has ended and that nobody has waited for, as in a container without an init, is not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // somebody else's
  }
  const status = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  return !/\) [ZX] [^)]*$/.test(status); // the state comes after the program's name, which may hold brackets
}

let mark: string | undefined;

/** Where process numbers mean the same: one boot of one system, one namespace of it. */
export function machineMark(): string {
  mark ??= createHash("sha256")
    .update(
      [
        attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")),
        attempt(() => readlinkSync("/proc/self/ns/pid")),
      ].join(),
    )
    .digest("hex")
    .slice(0, 8);
  return mark;
}

function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return ""; // not Linux: one system for all
  }
}
