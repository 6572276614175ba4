/**
 * @module networks/safety-checker
 * IF's safety checker, one image at a time: `pixel_values` (1, 3, S, S) -> `image_embeds` (1, E), `p_score` and
 * `w_score` (1).
 */

import { join } from "node:path";
import { buildSafetyChecker, readSafetyCheckerConfig } from "../models/clip-vision.ts";
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
