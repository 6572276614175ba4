/**
 * @module weights/derived-folder
 * A folder of the cache of derived weights appears whole or not at all, whoever else makes the same one meanwhile.
 */

import { mkdir, rename, rm } from "node:fs/promises";
import { OutputError, whyNotWritten } from "../errors.ts";
import { draftFolderIn, sweepDrafts } from "../files/draft.ts";
import { makeFolder } from "../files/make-folder.ts";

/**
 * @param cache    created if missing.
 * @param folder   what is made, in the cache.
 * @param what     is kept there, as the start of an error: `quantised weights`.
 * @param isUsable asked where it could not be made: another process may have been faster.
 * @param write    fills a new folder; a receipt comes last.
 * @throws {OutputError} the cache cannot be written to; nothing is left of the attempt. And what `write` throws.
 */
export async function makeDerived(
  cache: string,
  folder: string,
  what: string,
  isUsable: () => Promise<boolean>,
  write: (folder: string) => Promise<void>,
): Promise<void> {
  await sweepDrafts(cache); // gigabytes may lie there, which no later attempt would go on with
  const temporary = draftFolderIn(cache);
  try {
    await makeFolder(cache);
    await mkdir(temporary, { mode: 0o700 }); // new: nothing that was put there is written into
    await write(temporary);
    await rm(folder, { recursive: true, force: true }); // what is there is not whole
    await rename(temporary, folder);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    if (await isUsable()) return;
    const refused = cause instanceof OutputError ? cause.cause : cause; // its file is gone: the cache is what counts
    if (!(refused instanceof Error && "syscall" in refused)) throw cause;
    throw new OutputError(`${what} cannot be kept in ${cache} (XDG_CACHE_HOME sets it): ${whyNotWritten(refused)}.`, {
      cause,
    });
  }
}
