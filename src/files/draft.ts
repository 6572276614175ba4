/**
 * @module files/draft
 * Names of files and folders that are not finished. They tell which process makes them, so that what a killed one left
 * behind can be told from what a living one is at, and swept by the next run.
 */

import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** `if-gen-<machine>-<process>-<random>`, hidden and with `.tmp` for a file. Short: the longest file name is 255 bytes. */
const pattern = /^\.?if-gen-(?<machine>[0-9a-f]{8})-(?<pid>\d+)-[0-9a-f]{8}(?:\.tmp)?$/;

const draftName = (): string => `if-gen-${machineMark()}-${process.pid}-${randomBytes(4).toString("hex")}`;

/** @returns a path that does not exist, beside `path`. */
export const draftBeside = (path: string): string => join(dirname(path), `.${draftName()}.tmp`);

/** @returns the path of a folder that does not exist, in `parent`. */
export const draftFolderIn = (parent: string): string => join(parent, draftName());

/** Removes what processes of this machine that are gone have left in `folder`. Never fails: leftovers do no other harm. */
export async function sweepDrafts(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (isAbandoned(name)) await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/** A process of another machine, or of another container, may be alive where this one cannot see it. */
function isAbandoned(name: string): boolean {
  const { machine, pid } = pattern.exec(name)?.groups ?? {};
  return machine === machineMark() && !isAlive(Number(pid));
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // somebody else's
  }
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
