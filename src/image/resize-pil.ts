/**
 * @module image/resize-pil
 * Resizes bytes exactly as Pillow's `Image.resize` does, so that a start image gives the same numbers as in diffusers.
 *
 * Two passes, along rows and then along columns, each a weighted sum of neighbours in 32-bit fixed point with 22 fractional
 * bits, rounded to a byte in between. Shrinking widens the filter by the factor; an axis that keeps its size has no pass.
 * Source: behaviour of Pillow 12 (Resample.c, Geometry.c); filters from Turkowski 1990 and Keys 1981 with a = -0.5.
 */

import { InputImageError } from "../errors.ts";
import { pixelLimit, type Pixels, premultiplyAlpha, type RgbaImage, unpremultiplyAlpha } from "./pixels.ts";
import { createTaps, type Filter, type Taps } from "./resample-taps.ts";

export type Resample = "nearest" | Filter;

const fractionBits = 22;
const half = 1 << (fractionBits - 1);

/**
 * @param image    1, 3 or 4 channels; the fourth is alpha, by which colours are weighted.
 * @param resample Pillow's default is bicubic.
 * @returns        an image of `width` x `height`; `image` itself if it has that size.
 * @throws {InputImageError} a side would be 0, or the result larger than what may be read.
 */
export function resizePil<C extends number>(
  image: Pixels<C>,
  width: number,
  height: number,
  resample: Resample = "bicubic",
): Pixels<C> {
  if (width === image.width && height === image.height) return image;
  checkSize(image, width, height);
  if (resample === "nearest") return resizeNearest(image, width, height);
  if (image.channels !== 4) return resizeFiltered(image, width, height, resample);
  const weighted = premultiplyAlpha(image as unknown as RgbaImage);
  return { ...unpremultiplyAlpha(resizeFiltered(weighted, width, height, resample)), channels: image.channels };
}

function checkSize(image: Pixels, width: number, height: number): void {
  if (width >= 1 && height >= 1 && width * height <= pixelLimit) return;
  throw new InputImageError(
    `An image of ${image.width}x${image.height} pixels cannot be resized to ${width}x${height}; ` +
      "use one that is larger or less narrow.",
  );
}

function resizeFiltered<C extends number>(image: Pixels<C>, width: number, height: number, filter: Filter): Pixels<C> {
  const rows =
    width === image.width ? image : resampleRows(image, createTaps(image.width, width, filter, fractionBits));
  return height === image.height ? rows : resampleColumns(rows, createTaps(image.height, height, filter, fractionBits));
}

function toByte(sum: number): number {
  const value = sum >> fractionBits;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

function resampleRows<C extends number>({ data, width, height, channels }: Pixels<C>, taps: Taps): Pixels<C> {
  const outWidth = taps.first.length;
  const out = new Uint8Array(outWidth * height * channels);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < outWidth; x++) {
      const weightsFrom = x * taps.most;
      const weightsTo = weightsFrom + taps.count[x]!;
      const from = (y * width + taps.first[x]!) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = half;
        for (let k = weightsFrom, at = from + c; k < weightsTo; k++, at += channels) {
          sum = (sum + Math.imul(data[at]!, taps.weights[k]!)) | 0;
        }
        out[to++] = toByte(sum);
      }
    }
  }
  return { data: out, width: outWidth, height, channels };
}

function resampleColumns<C extends number>({ data, width, channels }: Pixels<C>, taps: Taps): Pixels<C> {
  const outHeight = taps.first.length;
  const rowBytes = width * channels;
  const out = new Uint8Array(rowBytes * outHeight);
  const sums = new Int32Array(rowBytes);
  for (let y = 0; y < outHeight; y++) {
    sums.fill(half);
    for (let k = 0; k < taps.count[y]!; k++) {
      const weight = taps.weights[y * taps.most + k]!;
      const from = (taps.first[y]! + k) * rowBytes;
      for (let at = 0; at < rowBytes; at++) sums[at] = sums[at]! + Math.imul(data[from + at]!, weight);
    }
    for (let at = 0; at < rowBytes; at++) out[y * rowBytes + at] = toByte(sums[at]!);
  }
  return { data: out, width, height: outHeight, channels };
}

/** The pixel under the centre of each new pixel; centres are summed up step by step, as Pillow does. */
function nearestIndices(inSize: number, outSize: number): Int32Array {
  const step = inSize / outSize;
  const indices = new Int32Array(outSize);
  for (let i = 0, centre = step * 0.5; i < outSize; i++, centre += step) {
    indices[i] = Math.min(Math.trunc(centre), inSize - 1);
  }
  return indices;
}

function resizeNearest<C extends number>(image: Pixels<C>, width: number, height: number): Pixels<C> {
  const { data, channels } = image;
  const columns = nearestIndices(image.width, width);
  const rows = nearestIndices(image.height, height);
  const out = new Uint8Array(width * height * channels);
  let to = 0;
  for (const row of rows) {
    for (const column of columns) {
      const from = (row * image.width + column) * channels;
      for (let c = 0; c < channels; c++) out[to++] = data[from + c]!;
    }
  }
  return { data: out, width, height, channels };
}
