/**
 * @module image/clip-features
 * Images -> what the safety checker's CLIP vision model looks at: short side resized, middle cut out, colours normalised.
 *
 * Source: transformers' CLIPImageProcessor on Pillow; names as in preprocessor_config.json.
 */

import { z } from "zod";
import { CheckpointError, ShapeError } from "../errors.ts";
import { type Tensor, tensor } from "../math/tensor.ts";
import { printable } from "../text.ts";
import type { Pixels, RgbImage } from "./pixels.ts";
import { tensorFromPixels } from "./preprocess.ts";
import { resizePil } from "./resize-pil.ts";

export interface ClipFeatureConfig {
  /** Length of the short side after resizing, in pixels. */
  readonly shortestEdge: number;
  /** The middle that is cut out, in pixels. */
  readonly cropHeight: number;
  readonly cropWidth: number;
  readonly rescaleFactor: number;
  /** Red, green, blue, for colours in [0, 1]. */
  readonly imageMean: readonly number[];
  readonly imageStd: readonly number[];
}

const sidePx = z.number().int().positive().max(4096);
const isOn = z.literal(true).default(true);
const colours = z.array(z.number()).length(3);

/** Older files give sizes as one number. Steps that are switched off, and filters other than bicubic (3), are not known of. */
const preprocessorConfig = z.object({
  do_resize: isOn,
  do_center_crop: isOn,
  do_rescale: isOn,
  do_normalize: isOn,
  resample: z.literal(3).default(3),
  size: z.union([sidePx.transform((side) => ({ shortest_edge: side })), z.object({ shortest_edge: sidePx })]),
  crop_size: z.union([
    sidePx.transform((side) => ({ height: side, width: side })),
    z.object({ height: sidePx, width: sidePx }),
  ]),
  rescale_factor: z.number().default(1 / 255),
  image_mean: colours,
  image_std: colours,
});

/**
 * @param json what preprocessor_config.json holds.
 * @throws {CheckpointError} keys are missing or ask for something else than CLIP's own steps.
 */
export function parseClipFeatureConfig(json: unknown): ClipFeatureConfig {
  const parsed = preprocessorConfig.safeParse(json);
  if (!parsed.success) {
    throw new CheckpointError(
      `The safety checker's preprocessor_config.json is not understood: ${printable(z.prettifyError(parsed.error).replace(/\s+/gu, " "), 200)}`,
    );
  }
  const { size, crop_size, rescale_factor, image_mean, image_std } = parsed.data;
  if (Math.max(crop_size.height, crop_size.width) > size.shortest_edge) {
    throw new CheckpointError("The safety checker's preprocessor_config.json cuts out more than it resizes to.");
  }
  return {
    shortestEdge: size.shortest_edge,
    cropHeight: crop_size.height,
    cropWidth: crop_size.width,
    rescaleFactor: rescale_factor,
    imageMean: image_mean,
    imageStd: image_std,
  };
}

/** CLIPImageProcessor's own, for checkpoints that were saved without a feature_extractor. */
export const defaultClipFeatureConfig: ClipFeatureConfig = {
  shortestEdge: 224,
  cropHeight: 224,
  cropWidth: 224,
  rescaleFactor: 1 / 255,
  imageMean: [0.48145466, 0.4578275, 0.40821073],
  imageStd: [0.26862954, 0.26130258, 0.27577711],
};

/**
 * @returns pixel_values (1, 3, cropHeight, cropWidth), (colour - mean) / std.
 * @throws {InputImageError} the image is so narrow that it would become too large.
 */
export function extractClipFeatures(image: RgbImage, config: ClipFeatureConfig): Tensor {
  const { shortestEdge, rescaleFactor, imageMean, imageStd } = config;
  const short = Math.min(image.width, image.height);
  const fit = (side: number) => (side === short ? shortestEdge : Math.trunc((shortestEdge * side) / short));
  const resized = resizePil(image, fit(image.width), fit(image.height), "bicubic");
  const unit = tensorFromPixels(
    cutMiddle(resized, config.cropWidth, config.cropHeight),
    (value) => value * rescaleFactor,
  );
  const { fround } = Math;
  const area = config.cropHeight * config.cropWidth;
  const normalized = unit.data.map((value, i) => {
    const channel = Math.trunc(i / area);
    return fround(value - fround(imageMean[channel]!)) / fround(imageStd[channel]!);
  });
  return tensor(normalized, unit.shape);
}

function cutMiddle({ data, width, height, channels }: Pixels, outWidth: number, outHeight: number): Pixels {
  if (outWidth > width || outHeight > height)
    throw new ShapeError(`${outWidth}x${outHeight} cannot be cut out of ${width}x${height}`);
  const left = Math.floor((width - outWidth) / 2);
  const top = Math.floor((height - outHeight) / 2);
  const out = new Uint8Array(outWidth * outHeight * channels);
  for (let y = 0; y < outHeight; y++) {
    const from = ((top + y) * width + left) * channels;
    out.set(data.subarray(from, from + outWidth * channels), y * outWidth * channels);
  }
  return { data: out, width: outWidth, height: outHeight, channels };
}
