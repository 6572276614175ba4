/**
 * @module files/file-mark
 * What tells that a file's content was read and hashed before and is the same still: its size, its place on the disk and both
 * of its times. A change that keeps them all needs more than a program's write.
 */

import { stat } from "node:fs/promises";
import { z } from "zod";

export const fileMark = z.strictObject({
  bytes: z.int(),
  inode: z.string(),
  modifiedNs: z.string(),
  changedNs: z.string(),
});

export type FileMark = z.infer<typeof fileMark>;

/** @returns the mark of the file, links followed; undefined: there is no regular file. */
export async function readFileMark(path: string): Promise<FileMark | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  if (found === undefined || !found.isFile()) return undefined;
  return {
    bytes: Number(found.size),
    inode: `${found.dev}:${found.ino}`,
    modifiedNs: String(found.mtimeNs),
    changedNs: String(found.ctimeNs),
  };
}

export function isSameMark(a: FileMark | undefined, b: FileMark | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.bytes === b.bytes && a.inode === b.inode && a.modifiedNs === b.modifiedNs && a.changedNs === b.changedNs;
}
