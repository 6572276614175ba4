/**
 * @module networks/safety-checker
 * IF's safety checker, one image at a time: `pixel_values` (1, 3, S, S) -> `image_embeds` (1, E), `p_score` and
 * `w_score` (1).
 */

import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { type ClipFeatureConfig, parseClipFeatureConfig } from "../image/clip-features.ts";
import { buildSafetyChecker, readSafetyCheckerConfig } from "../models/clip-vision.ts";
import { readJson } from "../weights/file.ts";
import { type NetworkDescription, storedVariants } from "./description.ts";

export async function describeSafetyChecker(checkpoint: string): Promise<NetworkDescription> {
  const folder = join(checkpoint, "safety_checker");
  const config = await readSafetyCheckerConfig(folder);
  return {
    name: "CLIP vision",
    folder,
    published: storedVariants,
    weights: "stored",
    batch: 1,
    build: (batch) => buildSafetyChecker(config, { batch }),
    fitsFloat16: false,
    canTile: false,
  };
}

/**
 * What `feature_extractor/` makes of an image for the checker.
 * @throws {CheckpointError} it is missing or not understood, or gives another size than the checker takes.
 */
export async function readClipFeatures(checkpoint: string): Promise<ClipFeatureConfig> {
  const file = join(checkpoint, "feature_extractor", "preprocessor_config.json");
  const features = parseClipFeatureConfig(await readJson(file));
  const { cropWidth, cropHeight } = features;
  const { vision_config: config } = await readSafetyCheckerConfig(join(checkpoint, "safety_checker"));
  if (config.image_size === cropWidth && config.image_size === cropHeight) return features;
  throw new CheckpointError(
    `${checkpoint}: feature_extractor gives ${cropWidth}x${cropHeight} pixels but safety_checker takes ${config.image_size}.`,
  );
}
