/**
 * @module hub/content-hash
 * The hash that names a file: sha256 of its bytes (LFS), or git's blob hash, sha1 of "blob <bytes>\0" and its bytes.
 */

import { createHash, type Hash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { etagOf } from "./layout.ts";
import type { RepoFile } from "./types.ts";

const chunkBytes = 2 ** 20;

/** Feed it the whole content, in order; then `isContentOf`. */
export function createContentHash(file: RepoFile): Hash {
  if (file.sha256 !== undefined) return createHash("sha256");
  return createHash("sha1").update(`blob ${file.bytes}\0`);
}

/** Ends the hash. */
export function isContentOf(file: RepoFile, hash: Hash): boolean {
  return hash.digest("hex") === etagOf(file);
}

/** Feeds `hash` the first `bytes` of an open file. @returns how many there were. */
export async function hashPrefix(
  handle: FileHandle,
  bytes: number,
  hash: Hash,
  options: { readonly signal?: AbortSignal | undefined; readonly onBytes?: (doneBytes: number) => void } = {},
): Promise<number> {
  const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(bytes, 1)));
  let done = 0;
  while (done < bytes) {
    options.signal?.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, bytes - done), done);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    done += bytesRead;
    options.onBytes?.(done);
  }
  return done;
}

/** Is the file at `path` byte for byte `file`? Its size is taken for granted. */
export async function hasContentOf(
  path: string,
  file: RepoFile,
  options: { readonly signal?: AbortSignal | undefined; readonly onBytes?: (doneBytes: number) => void } = {},
): Promise<boolean> {
  const handle = await open(path, "r");
  try {
    const hash = createContentHash(file);
    await hashPrefix(handle, file.bytes, hash, options);
    return isContentOf(file, hash);
  } finally {
    await handle.close();
  }
}
