/**
 * @module image/picture-file
 * Reads a picture's file whole, within limits: pictures come from anywhere.
 */

import { readFile, stat } from "node:fs/promises";
import { InputImageError } from "../errors.ts";

/** More than an uncompressed TIFF of the largest picture that is decoded needs (see `pixelLimit`). */
const pictureFileLimitBytes = 1024 * 1024 * 1024;

/** @throws {InputImageError} the file cannot be read, is a device or pipe (these may never end), or larger than 1 GiB. */
export async function readPictureFile(path: string): Promise<Buffer> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new InputImageError(`${path} is a folder; give a picture.`);
    if (!found.isFile()) throw new InputImageError(`${path} is a device or a pipe; save the picture to a file first.`);
    if (found.size > pictureFileLimitBytes)
      throw new InputImageError(`${path} is larger than 1 GiB; use a smaller picture.`);
    return await readFile(path);
  } catch (error) {
    if (error instanceof InputImageError) throw error;
    throw new InputImageError(`${path} cannot be read: ${describeSystemError(error)}.`, { cause: error });
  }
}

function describeSystemError(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const sentences: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file",
    EACCES: "permission denied",
  };
  return sentences[code] ?? String(error);
}
