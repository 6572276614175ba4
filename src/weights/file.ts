/**
 * @module weights/file
 * Reading a checkpoint's files by range or, small ones, as JSON. Whatever the system reports becomes a CheckpointError.
 */

import { type FileHandle, open, stat } from "node:fs/promises";
import { CheckpointError } from "../errors.ts";

/** One read call ends at 2 GiB. */
const maxReadBytes = 2 ** 30;

/** The largest index on the Hub has about 10 MB; a config has a few KB. */
const maxJsonBytes = 32_000_000;

/**
 * Opens a file for reading as long as `use` runs.
 * @throws {CheckpointError} the file is missing, a folder, or unreadable; and what `use` throws.
 */
export async function withFile<T>(
  path: string,
  use: (handle: FileHandle, fileBytes: number) => Promise<T>,
): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    const stats = await stat(path); // before opening: opening a pipe would wait for its other end
    if (stats.isDirectory()) throw new CheckpointError(`${path} is a folder where a file is needed.`);
    if (!stats.isFile()) throw new CheckpointError(`${path} is not a regular file.`);
    handle = await open(path);
    return await use(handle, stats.size);
  } catch (cause) {
    if (!(cause instanceof Error && "syscall" in cause)) throw cause; // not the system's: ours, or a bug
    throw new CheckpointError(`${path} cannot be read (${reasonOf(cause)}).`, { cause });
  } finally {
    await handle?.close();
  }
}

/** @throws {CheckpointError} the file ends before `offset + byteLength`. */
export async function readRange(
  handle: FileHandle,
  path: string,
  offset: number,
  byteLength: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(byteLength);
  let done = 0;
  while (done < byteLength) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(byteLength - done, maxReadBytes), offset + done);
    if (bytesRead === 0) {
      throw new CheckpointError(
        `${path} ended at byte ${offset + done}, but byte ${offset + byteLength} is needed; did it change?`,
      );
    }
    done += bytesRead;
  }
  return bytes;
}

/** @throws {CheckpointError} the file is missing, unreadable, larger than 32 MB, or not JSON. */
export async function readJson(path: string): Promise<unknown> {
  const bytes = await withFile(path, async (handle, fileBytes) => {
    if (fileBytes > maxJsonBytes) {
      throw new CheckpointError(
        `${path} has ${fileBytes} bytes; a JSON file of a checkpoint has at most ${maxJsonBytes}.`,
      );
    }
    return readRange(handle, path, 0, fileBytes);
  });
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new CheckpointError(`${path} is not valid JSON (${reasonOf(cause)}).`, { cause });
  }
}

/** @returns why the system or a parser refused, for the end of a sentence: "EACCES", "it is missing ...". */
export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT") return "it is missing, its folder is, or it links to a file that is gone";
  return code ?? cause.message;
}
