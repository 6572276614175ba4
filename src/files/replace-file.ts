/**
 * @module files/replace-file
 * Writing beside and renaming: what is read under a name is whole or what was there before. The draft has a name that
 * nobody can foresee and is made new (O_EXCL), so a link that was planted for it is never followed.
 */

import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { draftBeside } from "./draft.ts";

export interface ReplaceOptions {
  /** Where it is written first; a draft beside `path` if absent. */
  readonly draft?: string;
  /** Wait until it is on the disk, so that it survives a power cut. Default true; false for what can be made again. */
  readonly sync?: boolean;
  /** Permissions from its first byte on, whatever the umask is. Absent: what the umask leaves of 0o666. */
  readonly mode?: number;
}

/**
 * Puts `content`, or what `content` writes, at `path`; a link there is replaced, not followed. What `content` throws and
 * system errors come as they are.
 */
export async function replaceFile(
  path: string,
  content: string | Uint8Array | ((handle: FileHandle) => Promise<void>),
  { draft = draftBeside(path), sync = true, mode }: ReplaceOptions = {},
): Promise<void> {
  try {
    const handle = await open(draft, "wx", mode);
    try {
      if (mode !== undefined) await handle.chmod(mode); // the umask may have taken some of it
      if (typeof content === "function") await content(handle);
      else await handle.writeFile(content);
      if (sync) await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined); // the first error is the one to tell
    throw error;
  }
}
