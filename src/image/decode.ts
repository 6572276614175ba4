/**
 * @module image/decode
 * Picture files -> the values they store, before any conversion of ours. The only decoder is sharp (libvips).
 *
 * Colour profiles, gamma and resolution are ignored, as Pillow ignores them. Of an animation the first frame is taken.
 */

import type { Sharp, SharpInput, SharpOptions } from "sharp";
import { InputImageError } from "../errors.ts";
import { readPictureFile } from "./picture-file.ts";
import { pixelLimit } from "./pixels.ts";

/** What a file held: `gray16` (W·H values 0..65535), `cmyk` (4 channels of ink), or `bytes` (gray or RGB, maybe with alpha). */
export type Decoded =
  | { readonly kind: "gray16"; readonly data: Uint16Array; readonly width: number; readonly height: number }
  | {
      readonly kind: "cmyk" | "bytes";
      readonly data: Uint8Array;
      readonly width: number;
      readonly height: number;
      readonly channels: number;
    };

type OpenPicture = (input: SharpInput, options: SharpOptions) => Sharp;

let loaded: Promise<OpenPicture> | undefined;

/** Loaded with the first picture that is read; most runs read none. */
const loadSharp = (): Promise<OpenPicture> => (loaded ??= importSharp());

/**
 * Once: a picture that is being read while formats are blocked could not be.
 * Only formats that are wanted here: others (SVG, PDF, ...) would bring their parsers within reach of a downloaded file.
 */
async function importSharp(): Promise<OpenPicture> {
  const { default: sharp } = await import("sharp");
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({
    operation: ["Jpeg", "Png", "Webp", "Heif", "Tiff", "Nsgif"].map((format) => `VipsForeignLoad${format}`),
  });
  return sharp;
}

/**
 * @param orient turn and mirror the picture as its EXIF data say.
 * @throws {InputImageError} no such file, not a picture, damaged, cut short, or too big.
 */
export async function decodePicture(path: string, orient: boolean): Promise<Decoded> {
  const file = await readPictureFile(path);
  try {
    return await decodeBytes(file, orient);
  } catch (error) {
    throw new InputImageError(`${path} ${describeFailure(error)}`, { cause: error });
  }
}

async function decodeBytes(file: Uint8Array, orient: boolean): Promise<Decoded> {
  const sharp = await loadSharp();
  const options = { failOn: "error", ignoreIcc: true, limitInputPixels: pixelLimit } as const;
  const { space, channels } = await sharp(file, options).metadata();
  const isGray16 = space === "grey16" && channels === 1;
  let picture = sharp(file, options);
  if (orient) picture = picture.autoOrient();
  if (space === "cmyk") picture = picture.pipelineColourspace("cmyk").toColourspace("cmyk");
  if (isGray16) picture = picture.toColourspace("grey16");
  const { data, info } = await picture
    .raw({ depth: isGray16 ? "ushort" : "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  if (isGray16) {
    return { kind: "gray16", data: new Uint16Array(data.buffer, data.byteOffset, width * height), width, height };
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { kind: space === "cmyk" ? "cmyk" : "bytes", data: bytes, width, height, channels: info.channels };
}

/** What went wrong, for a sentence that starts with the file's name. */
function describeFailure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (/unsupported image format|buffer is empty/i.test(message)) {
    return "is not a picture that can be read, or is cut short; use a JPEG, PNG, WebP, AVIF, TIFF or GIF file.";
  }
  if (/exceeds pixel limit/i.test(message)) {
    return `has more than ${pixelLimit} pixels; use a smaller picture.`;
  }
  return `is damaged or cut short (${message.split("\n", 1)[0]}); save it again or use another picture.`;
}
