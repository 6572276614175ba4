/**
 * @module image/to-bytes
 * A stage's output -> images of bytes. Rounding is half to even, as numpy rounds.
 *
 * Letters: B batch, H height, W width.
 * Source: diffusers, pt_to_pil, numpy_to_pil, VaeImageProcessor.postprocess.
 */

import { ShapeError } from "../errors.ts";
import { type Tensor, tensor } from "../math/tensor.ts";
import type { RgbImage } from "./pixels.ts";

/** @returns x / 2 + 0.5, clamped to [0, 1]; NaN stays NaN. */
export function denormalize(x: Tensor): Tensor {
  return tensor(
    x.data.map((value) => Math.min(1, Math.max(0, Math.fround(value / 2) + 0.5))),
    x.shape,
  );
}

/**
 * @param unit (B, 3, H, W) in [0, 1]; NaN becomes black.
 * @returns    B images.
 * @throws {ShapeError} not four axes, or not three channels.
 */
export function imagesFromUnit(unit: Tensor): RgbImage[] {
  const [batch, channels, height, width] = unit.shape;
  if (unit.shape.length !== 4 || channels !== 3) throw new ShapeError(`[${unit.shape.join(", ")}] is not (B, 3, H, W)`);
  const area = height! * width!;
  return Array.from({ length: batch! }, (_, b) => {
    const bytes = new Uint8ClampedArray(area * 3); // writing to it rounds half to even
    for (let c = 0; c < 3; c++) {
      const from = (b * 3 + c) * area;
      for (let i = 0; i < area; i++) bytes[i * 3 + c] = Math.fround(unit.data[from + i]! * 255);
    }
    return { data: new Uint8Array(bytes.buffer), width: width!, height: height!, channels: 3 as const };
  });
}

/**
 * @param sample (B, 3, H, W) in [-1, 1]; what lies outside is cut off.
 * @returns      B images.
 * @throws {ShapeError} not four axes, or not three channels.
 */
export function imagesFromSample(sample: Tensor): RgbImage[] {
  return imagesFromUnit(denormalize(sample));
}
