/**
 * @module executor/preview
 * What a step predicts the finished image to be, small enough to be sent.
 */

import { imagesFromSample } from "../image/to-bytes.ts";
import { sliceBatch } from "../math/layout.ts";
import type { Tensor } from "../math/tensor.ts";
import type { Preview } from "./protocol.ts";

/** @returns the first image of (B, 3, H, W) in about [-1, 1]; undefined: the sample is no image, as the upscaler's latents. */
export function previewOf(predOriginalSample: Tensor): Preview | undefined {
  if (predOriginalSample.shape[1] !== 3) return undefined;
  const [image] = imagesFromSample(sliceBatch(predOriginalSample, 0, 1));
  if (!image) return undefined;
  return { width: image.width, height: image.height, rgb: Buffer.from(image.data).toString("base64") };
}
