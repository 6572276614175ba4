/**
 * @module files/place-file
 * Gives a finished file its name, whole or not at all, and never over a file that nobody said may be replaced: what was
 * checked before a run may have changed by its end.
 */

import {
  constants,
  copyFile,
  chmod,
  link,
  lstat,
  open,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { draftBeside } from "./draft.ts";

/** Is there something under the name, be it a link to nothing? */
export const isTaken = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** @returns where a file of that name lies: a link's target, also where that does not exist yet. */
export async function targetOf(path: string): Promise<string> {
  const existing = await realpath(path).catch(() => undefined);
  if (existing !== undefined) return existing;
  const folder = await realpath(dirname(resolve(path)));
  const linked = await readlink(path).catch(() => undefined);
  return linked === undefined ? join(folder, basename(path)) : resolve(folder, linked);
}

/**
 * Copies `source` to `path`.
 * @param replace overwrite what is there: a link's target, with the mode it has.
 * @returns false: something is there, and may not be replaced. System errors as they are.
 */
export async function placeFile(source: string, path: string, { replace }: { replace: boolean }): Promise<boolean> {
  const target = replace ? await targetOf(path) : path;
  const draft = draftBeside(target);
  try {
    await copyFile(source, draft, constants.COPYFILE_EXCL);
    await synced(draft);
    if (!replace) return await linkTo(draft, target);
    const mode = (await stat(target).catch(() => undefined))?.mode;
    if (mode !== undefined) await chmod(draft, mode & 0o7777);
    await rename(draft, target);
    return true;
  } finally {
    await rm(draft, { force: true }); // gone after a rename
  }
}

/** As {@link placeFile} without replacing, under the first free name: `cat.png`, `cat.2.png`, ... @returns the name. */
export async function placeBeside(source: string, path: string): Promise<string> {
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  for (let number = 2; ; number++) {
    const candidate = `${stem}.${number}${extension}`;
    if (await placeFile(source, candidate, { replace: false })) return candidate;
  }
}

/**
 * Makes a file that did not exist. Whoever reads it finds all of `content`, also when this process is killed meanwhile.
 * @returns false: something is there. System errors as they are.
 */
export async function createFile(path: string, content: string): Promise<boolean> {
  const draft = draftBeside(path);
  try {
    await writeFile(draft, content, { flag: "wx" });
    return await linkTo(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

/** A second name, which the system refuses to give over another file. */
async function linkTo(draft: string, target: string): Promise<boolean> {
  try {
    await link(draft, target);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(code ?? "")) throw error;
  }
  try {
    await copyFile(draft, target, constants.COPYFILE_EXCL); // disks without links: not at once, but over nothing
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function synced(path: string): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
