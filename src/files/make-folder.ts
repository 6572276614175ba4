/**
 * @module files/make-folder
 * A folder and those above it. Node's own recursive mkdir never ends where a file system answers ENOENT to every new folder,
 * as Linux's /proc does.
 */

import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes `path` and what is missing above it; nothing where it is there already. System errors as they are: ENOTDIR where a
 * file lies in the way, EPERM where a system takes no folders.
 * @param mode of the folders that are made. Default: what the umask leaves of 0o777.
 */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  const first = await tryFolder(path, mode);
  if (first === undefined) return;
  const above = dirname(path);
  if (first.code !== "ENOENT" || above === path) throw first;
  if (!(await isFolder(above))) await makeFolder(above, mode);
  const second = await tryFolder(path, mode); // the folder above is there now, whoever made it
  if (second === undefined) return;
  throw second.code === "ENOENT" ? Object.assign(second, { code: "EPERM" }) : second; // ENOENT would blame the folder above
}

/** @returns why it is not there. */
async function tryFolder(path: string, mode: number | undefined): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(path, mode);
    return undefined;
  } catch (error) {
    return (await isFolder(path)) ? undefined : (error as NodeJS.ErrnoException);
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
