/**
 * @module files/regular-file
 * The one door to files that come from elsewhere: checkpoints, images, lists. Only regular files are opened (a device or
 * a pipe may never end), links are followed, and nothing is read beyond a limit that the caller gives.
 */

import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";

/** What the caller's failures are: CheckpointError, InputImageError, ... */
export type FailureClass = new (message: string, options?: ErrorOptions) => Error;

/** One read call ends at 2 GiB. */
const maxReadBytes = 2 ** 30;

/** Without it, opening a pipe would wait for its other end. Windows has neither. */
const doNotWait = constants.O_NONBLOCK ?? 0;

/**
 * Opens a file for reading as long as `use` runs.
 * @throws {Failure} the file is missing, a folder, a device, a pipe, or unreadable; and what `use` throws.
 */
export async function withRegularFile<T>(
  path: string,
  Failure: FailureClass,
  use: (handle: FileHandle, fileBytes: number) => Promise<T>,
): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    checkRegular(path, await stat(path), Failure); // before opening: some devices act when they are opened
    handle = await open(path, constants.O_RDONLY | doNotWait);
    const stats = await handle.stat();
    checkRegular(path, stats, Failure); // again: another file may have taken its place
    return await use(handle, stats.size);
  } catch (cause) {
    if (!isSystemError(cause)) throw cause; // not the system's: ours, or a bug
    throw new Failure(`${path} cannot be read (${reasonOf(cause)}).`, { cause });
  } finally {
    await handle?.close();
  }
}

/** @throws {Failure} the file ends before `offset + byteLength`. */
export async function readRange(
  handle: FileHandle,
  path: string,
  { offset, byteLength }: { readonly offset: number; readonly byteLength: number },
  Failure: FailureClass,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(byteLength);
  let done = 0;
  while (done < byteLength) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(byteLength - done, maxReadBytes), offset + done);
    if (bytesRead === 0) {
      throw new Failure(
        `${path} ended at byte ${offset + done}, but byte ${offset + byteLength} is needed; did it change?`,
      );
    }
    done += bytesRead;
  }
  return bytes;
}

/**
 * @param maxBytes a larger file is some other file under that name.
 * @throws {Failure} as withRegularFile, or it is larger than that.
 */
export async function readWhole(
  path: string,
  maxBytes: number,
  Failure: FailureClass,
): Promise<Uint8Array<ArrayBuffer>> {
  return withRegularFile(path, Failure, async (handle, fileBytes) => {
    if (fileBytes > maxBytes) {
      throw new Failure(`${path} has ${fileBytes} bytes; a file of its kind has at most ${maxBytes}.`);
    }
    return readRange(handle, path, { offset: 0, byteLength: fileBytes }, Failure);
  });
}

/**
 * A few words of a file that may or may not be there: a ref, a lock.
 * @returns undefined: there is no regular file, it cannot be read, or it has more than `maxBytes`.
 */
export function readWords(path: string, maxBytes = 4096): string | undefined {
  let file: number | undefined;
  try {
    if (!statSync(path).isFile()) return undefined;
    file = openSync(path, constants.O_RDONLY | doNotWait);
    const found = fstatSync(file);
    if (!found.isFile() || found.size > maxBytes) return undefined;
    const bytes = Buffer.alloc(maxBytes);
    return bytes.toString("utf8", 0, readSync(file, bytes));
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** @returns why the system or a parser refused, for the end of a sentence: "EACCES", "it is missing ...". */
export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT") return "it is missing, its folder is, or it links to a file that is gone";
  if (code === "ERR_INVALID_ARG_VALUE") return "its name holds a null character";
  return code ?? cause.message;
}

/** Did the system refuse, or Node a path that no system could take? */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && ("syscall" in error || ("code" in error && error.code === "ERR_INVALID_ARG_VALUE"));
}

function checkRegular(path: string, found: { isDirectory(): boolean; isFile(): boolean }, Failure: FailureClass): void {
  if (found.isDirectory()) throw new Failure(`${path} is a folder where a file is needed.`);
  if (!found.isFile()) throw new Failure(`${path} is not a regular file but a device, a pipe or a socket.`);
}
