/**
 * @module image/watermark
 * The DeepFloyd IF watermark in the lower right corner, which the model's licence asks for.
 *
 * Source: diffusers, IFWatermarker.apply_watermark; blending as Pillow's `paste` with a mask does it.
 */

import { InputImageError, ShapeError } from "../errors.ts";
import { type RgbaImage, type RgbImage } from "./pixels.ts";
import { resizePil } from "./resize-pil.ts";

const sidePx = 62;

/**
 * @param data watermark_image of the checkpoint, (62, 62, 4) RGBA in 0..255; fractions are cut off.
 * @throws {ShapeError} another number of values.
 */
export function watermarkFromTensor(data: Float32Array | Uint8Array): RgbaImage {
  if (data.length !== sidePx * sidePx * 4)
    throw new ShapeError(`a watermark has ${sidePx}x${sidePx}x4 values, not ${data.length}`);
  return { data: Uint8Array.from(data), width: sidePx, height: sidePx, channels: 4 };
}

/** Where the mark goes; `right` and `bottom` may lie outside the image when `sampleSize` exceeds a side, as in the reference. */
function placeWatermark(image: RgbImage, sampleSize: number) {
  const shrink = Math.min(image.height / sampleSize, image.width / sampleSize, 1);
  const height = Math.trunc(image.height / shrink);
  const width = Math.trunc(image.width / shrink);
  const scale = Math.sqrt((width * height) / 1024 ** 2);
  return {
    size: Math.trunc(scale * sidePx),
    right: width - Math.trunc(14 * scale),
    bottom: height - Math.trunc(14 * scale),
  };
}

/**
 * @param sampleSize side of the UNet that made the image; the image's height if it is not given.
 * @returns          a new image. It has no mark if a side is shorter than `sampleSize`: the reference places it outside.
 * @throws {InputImageError} 16x16 pixels and less: the mark would have no pixel.
 */
export function applyWatermark(image: RgbImage, watermark: RgbaImage, sampleSize: number = image.height): RgbImage {
  const { size, right, bottom } = placeWatermark(image, sampleSize);
  if (size < 1) {
    throw new InputImageError(
      `An image of ${image.width}x${image.height} is too small for the watermark; make it larger.`,
    );
  }
  return pasteOver(image, resizePil(watermark, size, size, "bicubic"), right - size, bottom - size);
}

/** Blends by alpha, each channel rounded; what lies outside the image is left out. */
function pasteOver(image: RgbImage, mark: RgbaImage, left: number, top: number): RgbImage {
  const data = Uint8Array.from(image.data);
  for (let y = Math.max(0, -top); y < Math.min(mark.height, image.height - top); y++) {
    for (let x = Math.max(0, -left); x < Math.min(mark.width, image.width - left); x++) {
      const from = (y * mark.width + x) * 4;
      const to = ((top + y) * image.width + left + x) * 3;
      const alpha = mark.data[from + 3]!;
      for (let c = 0; c < 3; c++) data[to + c] = blendBytes(data[to + c]!, mark.data[from + c]!, alpha);
    }
  }
  return { ...image, data };
}

/** @returns (below (255 - alpha) + above alpha) / 255, rounded once. */
function blendBytes(below: number, above: number, alpha: number): number {
  const sum = below * (255 - alpha) + above * alpha + 128;
  return ((sum >> 8) + sum) >> 8;
}
