/**
 * @module pipelines/safety
 * IFSafetyChecker: looks at finished images, scores them, and hides those that are flagged.
 * Source: diffusers, pipelines/deepfloyd_if/safety_checker.py and `run_safety_checker`; blurring as DeepFloyd's own
 * repository does it (modules/base.py).
 */

import { extractClipFeatures } from "../image/clip-features.ts";
import { blurBeyondRecognition } from "../image/gaussian-blur.ts";
import type { RgbImage } from "../image/pixels.ts";
import { type NetworkSettings, withNetworkOutputs } from "../networks/open-network.ts";
import { describeSafetyChecker, readClipFeatures } from "../networks/safety-checker.ts";

/** Raw outputs of the two heads: no sigmoid comes in between. */
export interface SafetyScore {
  /** `p_head`. */
  readonly unsafe: number;
  /** `w_head`: a stock image's watermark. */
  readonly watermark: number;
  /** Is one of them above the limit? */
  readonly flagged: boolean;
}

export const SCORE_LIMIT = 0.5;

export interface SafetyOptions {
  /** A checkpoint with `safety_checker/` and `feature_extractor/`. */
  readonly checkpoint: string;
  readonly settings: NetworkSettings;
}

/** @returns one score per image. @param onScored after each image. */
export type ScoreImages = (
  images: readonly RgbImage[],
  onScored?: (done: number, total: number) => void,
) => Promise<SafetyScore[]>;

/** Opens the checker once and lets `use` score images. @throws {CheckpointError} the checker cannot be used. */
export async function withSafetyChecker<T>(
  { checkpoint, settings }: SafetyOptions,
  use: (score: ScoreImages) => Promise<T>,
): Promise<T> {
  const features = await readClipFeatures(checkpoint);
  return withNetworkOutputs(await describeSafetyChecker(checkpoint), settings, (network) =>
    use(async (images, onScored) => {
      const scores: SafetyScore[] = [];
      for (const image of images) {
        const outputs = await network({ pixel_values: extractClipFeatures(image, features).data });
        const [unsafe, watermark] = ["p_score", "w_score"].map((name) => outputs.get(name)?.data[0] ?? Number.NaN);
        scores.push(judge(unsafe ?? Number.NaN, watermark ?? Number.NaN));
        onScored?.(scores.length, images.length);
      }
      return scores;
    }),
  );
}

/** A score that is no number flags nothing, as in the reference. */
function judge(unsafe: number, watermark: number): SafetyScore {
  return { unsafe, watermark, flagged: unsafe > SCORE_LIMIT || watermark > SCORE_LIMIT };
}

/** @returns an image of the same size in which nothing can be made out. */
export function hideImage(image: RgbImage, action: "black" | "blur"): RgbImage {
  return action === "blur" ? blurBeyondRecognition(image) : { ...image, data: new Uint8Array(image.data.length) };
}
