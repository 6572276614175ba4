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
  try {
    await mkdir(path, mode);
    return;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (await isFolder(path)) return;
    const above = dirname(path);
    if (code !== "ENOENT" || above === path) throw error;
    if (await isFolder(above)) throw Object.assign(error as Error, { code: "EPERM" }); // ENOENT would blame the folder above
    await makeFolder(above, mode);
  }
  await mkdir(path, mode).catch(async (error: unknown) => {
    if (!(await isFolder(path))) throw error; // another process was faster
  });
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
