/**
 * @module hub/partial-file
 * A file on its way: `blobs/<etag>.incomplete`, its hash, and the rule that only a right and whole file becomes a blob.
 * Bytes are written at their own offset and never appended, so two writers of one blob would write the same file.
 */

import type { Hash } from "node:crypto";
import { constants } from "node:fs";
import { open, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { createContentHash, hashPrefix, isContentOf } from "./content-hash.ts";
import type { RepoFile } from "./types.ts";

export class PartialFile {
  readonly #path: string;
  readonly #file: RepoFile;
  #handle: FileHandle;
  #hash: Hash;
  #doneBytes = 0;
  #pieces = 0;

  private constructor(path: string, file: RepoFile, handle: FileHandle) {
    this.#path = path;
    this.#file = file;
    this.#handle = handle;
    this.#hash = createContentHash(file);
  }

  /** Opens what an earlier run has left, or begins. What is left is hashed: about a second per GB. */
  static async open(path: string, file: RepoFile, signal?: AbortSignal): Promise<PartialFile> {
    const partial = new PartialFile(path, file, await openWritable(path));
    try {
      const { size } = await partial.#handle.stat();
      if (size > file.bytes) await partial.startOver();
      else partial.#doneBytes = await hashPrefix(partial.#handle, size, partial.#hash, { signal });
      if (partial.#doneBytes > 0) partial.#pieces = 2; // of nobody knows how many
      return partial;
    } catch (error) {
      await partial.close();
      throw error;
    }
  }

  get doneBytes(): number {
    return this.#doneBytes;
  }

  get isWhole(): boolean {
    return this.#doneBytes === this.#file.bytes;
  }

  /** Room left for bytes of this file. */
  get missingBytes(): number {
    return this.#file.bytes - this.#doneBytes;
  }

  /** Does every byte come from one answer of this run? */
  get isOnePiece(): boolean {
    return this.#pieces <= 1;
  }

  /** What is appended from now on comes from another answer than what was before. */
  beginPiece(): void {
    this.#pieces++;
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let offset = 0; offset < chunk.length;) {
      const { bytesWritten } = await this.#handle.write(chunk, offset, chunk.length - offset, this.#doneBytes + offset);
      offset += bytesWritten;
    }
    this.#hash.update(chunk);
    this.#doneBytes += chunk.length;
  }

  /** Forgets every byte. A new file, not a shorter one: whoever else still writes to the old one cannot spoil it. */
  async startOver(): Promise<void> {
    await this.#handle.close();
    await rm(this.#path, { force: true });
    this.#handle = await openWritable(this.#path);
    this.#hash = createContentHash(this.#file);
    this.#doneBytes = 0;
    this.#pieces = 0;
  }

  /**
   * The whole file becomes the blob, durably and at once.
   * @returns false: its bytes are not those of the file, or another process has replaced it; nothing was renamed.
   */
  async finish(blob: string): Promise<boolean> {
    if (!this.isWhole || !isContentOf(this.#file, this.#hash.copy())) return false;
    await this.#handle.sync();
    const [opened, onDisk] = [await this.#handle.stat(), await stat(this.#path).catch(() => undefined)];
    if (opened.ino !== onDisk?.ino || opened.size !== this.#file.bytes) return false;
    await rename(this.#path, blob);
    await syncFolder(dirname(blob));
    return true;
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Windows has no such flags, and no links without rights. */
const withoutLinks = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * What an earlier run has left or a new file. Never another file under that name: a link (hard or symbolic) that somebody has
 * put there, a pipe or a device is replaced.
 */
async function openWritable(path: string): Promise<FileHandle> {
  const left = await open(path, constants.O_RDWR | withoutLinks).catch(() => undefined);
  if (left !== undefined) {
    const found = await left.stat();
    if (found.isFile() && found.nlink === 1) return left;
    await left.close();
  }
  await rm(path, { force: true });
  return open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | withoutLinks);
}

/** So that the rename outlives a power cut. Windows opens no folders. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  try {
    await handle?.sync();
  } catch {
    // some network file systems refuse it; the file itself is synced
  } finally {
    await handle?.close();
  }
}
