/**
 * @module image/image-file
 * Reads an image's file whole, within limits: images come from anywhere.
 */

import { stat } from "node:fs/promises";
import { InputImageError } from "../errors.ts";
import { readRange, withRegularFile } from "../files/regular-file.ts";

/** An uncompressed TIFF of 85 megapixels. Photographs of 200 megapixels have 60 MB. */
const imageFileLimitBytes = 256 * 1024 * 1024;
const sniffedBytes = 4096;

/**
 * @param refuse says what is wrong with the file by its first 4096 bytes; undefined: nothing is.
 * @throws {InputImageError} the file cannot be read, is a device or pipe (these may never end), larger than 256 MiB, or refused.
 */
export async function readImageFile(
  path: string,
  refuse: (start: Uint8Array) => string | undefined = () => undefined,
): Promise<Buffer> {
  await checkKind(path);
  return withRegularFile(path, InputImageError, async (handle, fileBytes) => {
    const start = { offset: 0, byteLength: Math.min(fileBytes, sniffedBytes) };
    const fault = refuse(await readRange(handle, path, start, InputImageError));
    if (fault !== undefined) throw new InputImageError(`${path} ${fault}.`);
    if (fileBytes > imageFileLimitBytes) {
      throw new InputImageError(`${path} is larger than 256 MiB; save it as PNG or JPEG, or make it smaller.`);
    }
    return Buffer.from((await readRange(handle, path, { offset: 0, byteLength: fileBytes }, InputImageError)).buffer);
  });
}

/** The frequent mistakes in words of their own. */
async function checkKind(path: string): Promise<void> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new InputImageError(`${path} is a folder; give an image.`);
    if (!found.isFile()) throw new InputImageError(`${path} is a device or a pipe; save the image to a file first.`);
  } catch (error) {
    if (error instanceof InputImageError) throw error;
    throw new InputImageError(`${path} cannot be read: ${describeSystemError(error)}.`, { cause: error });
  }
}

function describeSystemError(error: unknown): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const sentences: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file",
    EACCES: "permission denied",
    ELOOP: "it is a link that leads to itself",
    ENAMETOOLONG: "its name is too long",
    ERR_INVALID_ARG_VALUE: "its name holds a null character",
  };
  return sentences[code] ?? (code === "" ? message : code);
}
