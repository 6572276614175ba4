/**
 * @module image/write-png
 * Images -> PNG files with our own text in them.
 */

import { OutputError, whyNotWritten } from "../errors.ts";
import { replaceFile } from "../files/replace-file.ts";
import type { RgbImage } from "./pixels.ts";
import { insertPngText } from "./png-text.ts";

/**
 * @param text keyword -> text, e.g. `parameters`; nothing else is put into the file: no date, no program name.
 * @returns    the file's bytes: 8-bit RGB.
 */
export async function encodePng(image: RgbImage, text: ReadonlyMap<string, string> = new Map()): Promise<Buffer> {
  const { default: sharp } = await import("sharp"); // not before an image is written: loading it takes a while
  const { data, width, height, channels } = image;
  const png = await sharp(data, { raw: { width, height, channels } }).png({ adaptiveFiltering: true }).toBuffer();
  return insertPngText(png, text);
}

/**
 * Writes to a temporary file beside `path` and renames it, so that `path` is always a whole image or untouched.
 * @param ready awaited once the image is encoded, before anything is written; what it throws comes as it is.
 * @throws {OutputError} the folder is missing, is no folder or may not be written to, or the disk is full.
 */
export async function writePng(
  path: string,
  image: RgbImage,
  text: ReadonlyMap<string, string> = new Map(),
  ready?: Promise<unknown>,
): Promise<void> {
  const png = await namingFile(path, encodePng(image, text));
  await ready;
  await namingFile(path, replaceFile(path, png));
}

async function namingFile<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new OutputError(`${path} cannot be written: ${whyNotWritten(error)}.`, { cause: error });
  }
}
