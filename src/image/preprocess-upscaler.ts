/**
 * @module image/preprocess-upscaler
 * Images or the tensors of stage 2 -> the x4 upscaler's low-resolution image. Sides are cut down to multiples of 4.
 *
 * Letters: B batch, C channels, H height, W width.
 * Source: diffusers, VaeImageProcessor(vae_scale_factor=4, resample="bicubic").preprocess.
 */

import { InputImageError } from "../errors.ts";
import { type Tensor, tensor } from "../math/tensor.ts";
import { interpolateNearest } from "./interpolate.ts";
import type { Pixels } from "./pixels.ts";
import { tensorFromPixels } from "./preprocess.ts";
import { resizePil } from "./resize-pil.ts";

const vaeScaleFactor = 4;
const vaeLatentChannels = 4;

/**
 * @returns (1, C, H, W) in [-1, 1].
 * @throws {InputImageError} a side is shorter than 4 pixels.
 */
export function preprocessUpscalerImage(image: Pixels): Tensor {
  return tensorFromPixels(resizeForUpscaler(image), (value) => 2 * Math.fround(value / 255) - 1);
}

/** @returns the image with sides that are multiples of 4. */
export const resizeForUpscaler = <C extends number>(image: Pixels<C>): Pixels<C> =>
  resizePil(image, roundDown(image.width), roundDown(image.height), "bicubic");

/**
 * @param x (B, C, H, W). In [-1, 1] if any number of the batch is negative, else in [0, 1]; latents (C = 4) come back as they are.
 * @returns (B, C, H, W) in [-1, 1].
 * @throws {InputImageError} a side is shorter than 4 pixels.
 */
export function preprocessUpscalerTensor(x: Tensor): Tensor {
  const [, channels, height, width] = x.shape as [number, number, number, number];
  if (channels === vaeLatentChannels) return x;
  if (Math.min(height, width) < vaeScaleFactor) {
    throw new InputImageError(
      `An image of ${width}x${height} is too small to be upscaled; each side needs ${vaeScaleFactor} pixels.`,
    );
  }
  const resized = interpolateNearest(x, roundDown(height), roundDown(width));
  const isSigned = resized.data.some((value) => value < 0);
  return isSigned
    ? resized
    : tensor(
        resized.data.map((value) => 2 * value - 1),
        resized.shape,
      );
}

function roundDown(side: number): number {
  return side - (side % vaeScaleFactor);
}
