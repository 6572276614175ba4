/**
 * @module pipelines/safety
 * IFSafetyChecker: looks at finished pictures, scores them, and hides those that are flagged.
 * Source: diffusers, pipelines/deepfloyd_if/safety_checker.py and `run_safety_checker`; blurring as DeepFloyd's own
 * repository does it (modules/base.py).
 */

import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { type ClipFeatureConfig, extractClipFeatures, parseClipFeatureConfig } from "../image/clip-features.ts";
import { blurBeyondRecognition } from "../image/gaussian-blur.ts";
import type { RgbImage } from "../image/pixels.ts";
import { readSafetyCheckerConfig } from "../models/clip-vision.ts";
import { readJson } from "../weights/file.ts";
import { type NetworkSettings, withSafetyChecker } from "../networks/components.ts";

/** Raw outputs of the two heads: no sigmoid comes in between. */
export interface SafetyScore {
  /** `p_head`. */
  readonly unsafe: number;
  /** `w_head`: a stock picture's watermark. */
  readonly watermark: number;
  /** Is one of them above the limit? */
  readonly flagged: boolean;
}

export const SCORE_LIMIT = 0.5;

export interface SafetyOptions {
  /** A checkpoint with `safety_checker/` and `feature_extractor/`. */
  readonly checkpoint: string;
  readonly settings: NetworkSettings;
  /** After each picture. */
  readonly onScored?: (done: number, total: number) => void;
}

/** @returns one score per picture. @throws {CheckpointError} the checker cannot be used. */
export async function scorePictures(images: readonly RgbImage[], options: SafetyOptions): Promise<SafetyScore[]> {
  const { checkpoint, settings } = options;
  const file = join(checkpoint, "feature_extractor", "preprocessor_config.json");
  const features = parseClipFeatureConfig(await readJson(file));
  await checkSides(checkpoint, features);
  return withSafetyChecker(checkpoint, { batch: 1 }, settings, async (network) => {
    const scores: SafetyScore[] = [];
    for (const image of images) {
      const outputs = await network({ pixel_values: extractClipFeatures(image, features).data });
      const [unsafe, watermark] = ["p_score", "w_score"].map((name) => outputs.get(name)?.data[0] ?? Number.NaN);
      scores.push(judge(unsafe ?? Number.NaN, watermark ?? Number.NaN));
      options.onScored?.(scores.length, images.length);
    }
    return scores;
  });
}

/** A score that is no number flags nothing, as in the reference. */
function judge(unsafe: number, watermark: number): SafetyScore {
  return { unsafe, watermark, flagged: unsafe > SCORE_LIMIT || watermark > SCORE_LIMIT };
}

async function checkSides(checkpoint: string, { cropWidth, cropHeight }: ClipFeatureConfig): Promise<void> {
  const { vision_config: config } = await readSafetyCheckerConfig(join(checkpoint, "safety_checker"));
  if (config.image_size === cropWidth && config.image_size === cropHeight) return;
  throw new CheckpointError(
    `${checkpoint}: feature_extractor gives ${cropWidth}x${cropHeight} pixels but safety_checker takes ${config.image_size}.`,
  );
}

/** @returns a picture of the same size in which nothing can be made out. */
export function hidePicture(image: RgbImage, action: "black" | "blur"): RgbImage {
  return action === "blur" ? blurBeyondRecognition(image) : { ...image, data: new Uint8Array(image.data.length) };
}
