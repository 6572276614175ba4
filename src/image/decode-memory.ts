/**
 * @module image/decode-memory
 * What decoding an image will take, from its header: a file of a hundred kilobytes may unfold to gigabytes.
 */

import type { Metadata } from "sharp";

/** With the 90 MB of the process itself this stays below 300 MB. */
const anyFileBytes = 160_000_000;
/** A file that is large itself is a photograph rather than a trap: photographs have at least 0.08 bits per byte of pixels. */
const perFileByte = 100;
const mostBytes = 1_200_000_000;

/**
 * Bytes per pixel beside the image itself, measured with sharp 0.35 on flat images of 16 to 64 megapixels:
 * a progressive JPEG keeps its coefficients, an interlaced PNG the whole image, WebP, GIF and AVIF their frames.
 */
function decoderBytesPerPixel({ format, isProgressive, channels }: Metadata): number {
  if (format === "jpeg") return isProgressive ? 2 * channels : 0;
  if (format === "png") return isProgressive ? channels : 0;
  if (format === "webp") return 1.5 + channels;
  if (format === "gif") return 4;
  return format === "heif" ? 15 : 0;
}

/**
 * @param makesRgb a gray image becomes one of three channels.
 * @returns bytes that decoding takes at its peak, the result included.
 */
export function decodeBytes(metadata: Metadata, makesRgb: boolean): number {
  const { width, height, channels, depth, space, orientation = 1 } = metadata;
  const isGray16 = space === "grey16" && channels === 1;
  const valueBytes = isGray16 ? 2 : channels;
  const turned = orientation > 4 ? valueBytes : 0; // rows become columns: the image is held twice
  const colours = makesRgb && channels < 3 ? 3 : 0;
  const deep = metadata.isProgressive && depth === "ushort" && metadata.format === "png" ? valueBytes : 0;
  return width * height * (valueBytes + turned + colours + deep + decoderBytesPerPixel(metadata));
}

/** @returns how much a file of this size may take. */
export function allowedBytes(fileBytes: number): number {
  return Math.min(mostBytes, Math.max(anyFileBytes, perFileByte * fileBytes));
}
