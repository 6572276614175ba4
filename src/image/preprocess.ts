/**
 * @module image/preprocess
 * Start images, masks and low-resolution images -> tensors for the IF stages.
 *
 * Letters: B batch, C channels, H height, W width. Division and subtraction are rounded to float32 each, as numpy does.
 * Source: diffusers, IFImg2ImgPipeline.preprocess_image, IFInpaintingPipeline.preprocess_mask_image,
 * IFSuperResolutionPipeline.preprocess_image.
 */

import { InputImageError } from "../errors.ts";
import { type Tensor, tensor } from "../math/tensor.ts";
import type { GrayImage, Pixels, RgbImage } from "./pixels.ts";
import { resizePil } from "./resize-pil.ts";

/**
 * The short side becomes `sampleSize`, the long one the nearest multiple of 8 (halves to the even multiple).
 * @returns e.g. 96x64 for a photo of 768x512 at 64; 64x64 for 68x64; 80x64 for 76x64.
 */
export function resizedSize(width: number, height: number, sampleSize: number): { width: number; height: number } {
  const ratio = width / height;
  return ratio >= 1
    ? { width: roundHalfToEven((sampleSize / 8) * ratio) * 8, height: sampleSize }
    : { width: sampleSize, height: roundHalfToEven(sampleSize / 8 / ratio) * 8 };
}

function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}

/**
 * A start image for img2img or inpainting, at any stage.
 * @param sampleSize side of the stage's UNet: 64, 256.
 * @returns          (1, 3, H, W) in [-1, 1], sides by {@link resizedSize}.
 * @throws {InputImageError} the image is so narrow that it would become too large.
 */
export function preprocessImage(image: RgbImage, sampleSize: number): Tensor {
  const { width, height } = resizedSize(image.width, image.height, sampleSize);
  return preprocessImageTo(image, width, height);
}

/** {@link preprocessImage} with a size of one's own. @returns (1, 3, height, width) in [-1, 1]. */
export function preprocessImageTo(image: RgbImage, width: number, height: number): Tensor {
  return tensorFromPixels(resizePil(image, width, height), signedUnit);
}

/**
 * A mask for inpainting: 1 is painted anew, 0 is kept.
 * @returns (1, 1, H, W) of zeros and ones, sides by {@link resizedSize}.
 * @throws {InputImageError} the mask is so narrow that it would become too large.
 */
export function preprocessMaskImage(mask: GrayImage, sampleSize: number): Tensor {
  const { width, height } = resizedSize(mask.width, mask.height, sampleSize);
  return preprocessMaskTo(mask, width, height);
}

/** {@link preprocessMaskImage} with a size of one's own. @returns (1, 1, height, width) of zeros and ones. */
export function preprocessMaskTo(mask: GrayImage, width: number, height: number): Tensor {
  return binarizeMask(tensorFromPixels(resizePil(mask, width, height), (value) => value / 255));
}

/**
 * @param mask (H, W), (C, H, W) or (B, C, H, W).
 * @returns    0 below 0.5, else 1; leading sides of 1 are added up to four: (B, C, H, W).
 */
export function binarizeMask(mask: Tensor): Tensor {
  const leading = Array.from({ length: 4 - mask.shape.length }, () => 1);
  return tensor(
    mask.data.map((value) => (value < 0.5 ? 0 : 1)),
    [...leading, ...mask.shape],
  );
}

/**
 * A low-resolution image for stage 2. Its size stays.
 * @returns (numImagesPerPrompt, C, H, W) in [-1, 1].
 * @throws {InputImageError} a gray image: the stage takes colours.
 */
export function preprocessLowResolution(image: Pixels, numImagesPerPrompt = 1): Tensor {
  if (image.channels < 3) throw new InputImageError("A low-resolution image must have three colours, not gray alone.");
  const { data, shape } = tensorFromPixels(image, signedUnit);
  const copies = new Float32Array(data.length * numImagesPerPrompt);
  for (let i = 0; i < numImagesPerPrompt; i++) copies.set(data, i * data.length);
  return tensor(copies, [numImagesPerPrompt, ...shape.slice(1)]);
}

/** 0..255 -> [-1, 1]. */
function signedUnit(value: number): number {
  return Math.fround(value / 127.5) - 1;
}

/** @returns (1, C, H, W) of `scale(byte)`, rounded to float32. */
export function tensorFromPixels({ data, width, height, channels }: Pixels, scale: (byte: number) => number): Tensor {
  const table = Float32Array.from({ length: 256 }, (_, byte) => scale(byte));
  const area = width * height;
  const out = new Float32Array(area * channels);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < area; i++) out[c * area + i] = table[data[i * channels + c]!]!;
  }
  return tensor(out, [1, channels, height, width]);
}
