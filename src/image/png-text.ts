/**
 * @module image/png-text
 * Text chunks of PNG files: keyword -> text.
 *
 * As tEXt where Latin-1 can say it, else as iTXt in UTF-8; readers of AUTOMATIC1111's metadata expect the same. No image is decoded here.
 * Source: PNG specification (third edition), 5.3 chunk layout, 11.3.3 textual information.
 */

import { crc32, inflateSync } from "node:zlib";
import { InputImageError } from "../errors.ts";
import { readImageFile } from "./image-file.ts";

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Bytes that all compressed texts of a file may grow to together; what is beyond is left out. */
const textLimitBytes = 16 * 1024 * 1024;

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
  /** Length, type, data and checksum. */
  readonly whole: Buffer;
}

/**
 * @param png  a whole PNG file, gray or RGB.
 * @param text keywords of 1 to 79 Latin-1 characters, and what they say.
 * @returns    the file with the texts ahead of its pixels, and no other metadata (text, time, resolution).
 */
export function insertPngText(png: Buffer, text: ReadonlyMap<string, string>): Buffer {
  const parts: Buffer[] = [signature];
  for (const { type, whole } of chunksOf(png)) {
    if (["IHDR", "IDAT", "IEND"].includes(type)) parts.push(whole);
    if (type === "IHDR") parts.push(...[...text].map(([keyword, value]) => encodeText(keyword, value)));
  }
  return Buffer.concat(parts);
}

/**
 * @returns keyword -> text of a PNG file.
 * @throws {InputImageError} the file cannot be read or is not a PNG.
 */
export async function readPngText(path: string): Promise<Map<string, string>> {
  const file = await readImageFile(path);
  if (!isPng(file))
    throw new InputImageError(`${path} is not a PNG file; only PNG files carry the settings they were made with.`);
  return parsePngText(file);
}

/** Does a file begin as a PNG does? */
export const isPng = (file: Buffer): boolean => file.subarray(0, signature.length).equals(signature);

/** @returns the texts of a PNG file, in order; of equal keywords the last one. Chunks that cannot be understood are left out. */
export function parsePngText(png: Buffer): Map<string, string> {
  const text = new Map<string, string>();
  let leftBytes = textLimitBytes;
  const inflate = (stored: Buffer): Buffer | undefined => {
    const inflated = inflateText(stored, leftBytes);
    leftBytes -= inflated?.length ?? leftBytes; // one that does not fit ends it: each try costs as much as a text that does
    return inflated;
  };
  for (const { type, data } of chunksOf(png)) {
    const entry =
      type === "iTXt" ? parseInternationalText(data, inflate) : type === "tEXt" ? parseLatinText(data) : undefined;
    if (entry) text.set(...entry);
  }
  return text;
}

function* chunksOf(png: Buffer): Generator<Chunk> {
  for (let at = signature.length; at + 12 <= png.length;) {
    const length = png.readUInt32BE(at);
    const end = at + 12 + length;
    if (end > png.length) return;
    const data = png.subarray(at + 8, at + 8 + length);
    yield { type: png.toString("latin1", at + 4, at + 8), data, whole: png.subarray(at, end) };
    at = end;
  }
}

/** @returns a whole chunk: length, type, data, checksum. */
export function encodeChunk(type: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}

function encodeText(keyword: string, text: string): Buffer {
  const latin = Buffer.from(`${keyword}\0${text}`, "latin1");
  if (latin.toString("latin1") === `${keyword}\0${text}`) return encodeChunk("tEXt", latin);
  // no compression (two zero bytes), no language, no translated keyword
  return encodeChunk("iTXt", Buffer.concat([Buffer.from(`${keyword}\0\0\0\0\0`, "latin1"), Buffer.from(text, "utf8")]));
}

function parseLatinText(data: Buffer): [string, string] | undefined {
  const split = data.indexOf(0);
  return split < 1 ? undefined : [data.toString("latin1", 0, split), data.toString("latin1", split + 1)];
}

function parseInternationalText(
  data: Buffer,
  inflate: (stored: Buffer) => Buffer | undefined,
): [string, string] | undefined {
  const keywordEnd = data.indexOf(0);
  const languageEnd = data.indexOf(0, keywordEnd + 3);
  const translatedEnd = data.indexOf(0, languageEnd + 1);
  if (keywordEnd < 1 || languageEnd < 0 || translatedEnd < 0) return undefined;
  const stored = data.subarray(translatedEnd + 1);
  const text = data[keywordEnd + 1] === 1 ? inflate(stored) : stored;
  return text && [data.toString("latin1", 0, keywordEnd), text.toString("utf8")];
}

function inflateText(stored: Buffer, limitBytes: number): Buffer | undefined {
  if (limitBytes < 1) return undefined;
  try {
    return inflateSync(stored, { maxOutputLength: limitBytes });
  } catch {
    return undefined;
  }
}
