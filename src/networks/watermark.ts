/**
 * @module networks/watermark
 * IF's `watermarker/`: an image of 62 x 62 RGBA, kept as a weight.
 */

import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { type WeightEntry, openWeights } from "../weights/checkpoint.ts";
import { findWeight } from "../weights/find-weight.ts";

const SHAPE = [62, 62, 4];

/** @throws {CheckpointError} it is missing or not understood; says how to draw without it. */
export async function findWatermark(checkpoint: string): Promise<WeightEntry> {
  try {
    return findWeight(await openWeights(join(checkpoint, "watermarker")), "watermark_image", SHAPE);
  } catch (cause) {
    if (!(cause instanceof CheckpointError)) throw cause;
    throw new CheckpointError(
      `the watermark cannot be read: ${cause.message.replace(/\.$/, "")}; --no-watermark draws without it.`,
      { cause },
    );
  }
}
