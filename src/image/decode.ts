/**
 * @module image/decode
 * Image files -> the values they store, before any conversion of ours. The only decoder is sharp (libvips).
 *
 * Colour profiles, gamma and resolution are ignored, as Pillow ignores them. Of an animation the first frame is taken.
 */

import type { Metadata, Sharp, SharpInput, SharpOptions } from "sharp";
import { InputImageError } from "../errors.ts";
import { printable } from "../text.ts";
import { allowedBytes, decodeBytes } from "./decode-memory.ts";
import { readImageFile } from "./image-file.ts";
import { unreadableKind } from "./image-kind.ts";
import { pixelLimit } from "./pixels.ts";
import { countTiffPages } from "./tiff-pages.ts";

/** What a file held: `gray16` (W·H values 0..65535), `cmyk` (4 channels of ink), or `bytes` (gray or RGB, maybe with alpha). */
export type Decoded = (
  | { readonly kind: "gray16"; readonly data: Uint16Array }
  | { readonly kind: "cmyk" | "bytes"; readonly data: Uint8Array; readonly channels: number }
) & {
  readonly width: number;
  readonly height: number;
  /** Images in the file, of which this is the first. */
  readonly pages: number;
};

/** Walking over more takes the decoder seconds. */
const maxTiffPages = 1000;

type OpenImage = (input: SharpInput, options: SharpOptions) => Sharp;

let loaded: Promise<OpenImage> | undefined;

/** Loaded with the first image that is read; most runs read none. */
const loadSharp = (): Promise<OpenImage> => (loaded ??= importSharp());

/**
 * Once: an image that is being read while formats are blocked could not be.
 * Only formats that are wanted here: others (SVG, PDF, ...) would bring their parsers within reach of a downloaded file.
 */
async function importSharp(): Promise<OpenImage> {
  const { default: sharp } = await import("sharp");
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({
    operation: ["Jpeg", "Png", "Webp", "Heif", "Tiff", "Nsgif"].map((format) => `VipsForeignLoad${format}`),
  });
  return sharp;
}

/**
 * @param orient   turn and mirror the image as its EXIF data say.
 * @param makesRgb it will become RGB if it is gray; that counts as memory.
 * @throws {InputImageError} no such file, not an image, damaged, cut short, or too big to be decoded in bounded memory.
 */
export async function decodeImage(path: string, orient: boolean, makesRgb = true): Promise<Decoded> {
  const file = await readImageFile(path, unreadableKind);
  if (countTiffPages(file, maxTiffPages) > maxTiffPages) {
    throw new InputImageError(`${path} has more than ${maxTiffPages} pages; save the one you mean as an image.`);
  }
  try {
    return await decode(file, orient, makesRgb);
  } catch (error) {
    throw new InputImageError(`${path} ${describeFailure(error)}`, { cause: error });
  }
}

async function decode(file: Uint8Array, orient: boolean, makesRgb: boolean): Promise<Decoded> {
  const sharp = await loadSharp();
  const options = { failOn: "error", ignoreIcc: true, limitInputPixels: pixelLimit } as const;
  const metadata = await sharp(file, options).metadata();
  checkMemory(metadata, makesRgb, file.length);
  const { space, channels, pages = 1 } = metadata;
  const isGray16 = space === "grey16" && channels === 1;
  let image = sharp(file, options);
  if (orient) image = image.autoOrient();
  if (space === "cmyk") image = image.pipelineColourspace("cmyk").toColourspace("cmyk");
  if (isGray16) image = image.toColourspace("grey16");
  const { data, info } = await image
    .raw({ depth: isGray16 ? "ushort" : "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  if (isGray16) {
    return {
      kind: "gray16",
      data: new Uint16Array(data.buffer, data.byteOffset, width * height),
      width,
      height,
      pages,
    };
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { kind: space === "cmyk" ? "cmyk" : "bytes", data: bytes, width, height, channels: info.channels, pages };
}

/** It takes more memory than an image file of its size may. */
class TooBig extends Error {}

function checkMemory(metadata: Metadata, makesRgb: boolean, fileBytes: number): void {
  const needed = decodeBytes(metadata, makesRgb);
  const allowed = allowedBytes(fileBytes);
  if (needed <= allowed) return;
  const { width, height } = metadata;
  const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
  throw new TooBig(
    `has ${width}x${height} pixels in ${megabytes(fileBytes)}: decoding it takes ${megabytes(needed)} of memory, ` +
      `of which it may take ${megabytes(allowed)}; make it smaller, or save it as a JPEG that is not progressive.`,
  );
}

/** What went wrong, for a sentence that starts with the file's name. */
function describeFailure(error: unknown): string {
  if (error instanceof TooBig) return error.message;
  const message = error instanceof Error ? error.message : String(error);
  if (/unsupported image format|buffer is empty/i.test(message)) {
    return "is not an image that can be read, or is cut short; use a JPEG, PNG, WebP, AVIF, TIFF or GIF file.";
  }
  if (/exceeds pixel limit/i.test(message)) {
    return `has more than ${pixelLimit} pixels; use a smaller image.`;
  }
  return `is damaged or cut short (${printable(message.split("\n", 1)[0] ?? "", 120)}); save it again or use another image.`;
}
