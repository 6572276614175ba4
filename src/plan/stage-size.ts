/**
 * @module plan/stage-size
 * The pixels a stage draws: its UNet's own size, or, from a start image, one of that image's shape.
 */

import { join } from "node:path";
import { z } from "zod";
import { CheckpointError, InputImageError } from "../errors.ts";
import { resizedSize } from "../image/preprocess.ts";
import { readJson } from "../weights/file.ts";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** What an IF stage can draw. */
export interface StageGrid {
  /** The UNet's `sample_size`: the short side, in pixels. */
  readonly sampleSize: number;
  /** Sides are multiples of it: 2 to the number of times the UNet halves them. */
  readonly multiple: number;
}

const unetConfig = z.object({
  sample_size: z.int().positive(),
  block_out_channels: z.array(z.unknown()).min(1).max(16),
});

/** @throws {CheckpointError} the checkpoint's unet/config.json is missing, or lacks what tells its size. */
export async function readStageGrid(checkpoint: string): Promise<StageGrid> {
  const file = join(checkpoint, "unet", "config.json");
  const config = unetConfig.safeParse(await readJson(file));
  if (!config.success) {
    const key = config.error.issues[0]?.path[0];
    throw new CheckpointError(`key \`${String(key)}\` is missing from ${file}, or is not understood.`);
  }
  return { sampleSize: config.data.sample_size, multiple: 2 ** (config.data.block_out_channels.length - 1) };
}

/** Beyond it the long side would need more memory than any image is worth. */
const MAX_ASPECT_RATIO = 16;

/** @throws {InputImageError} the image is much longer than it is wide. */
export function checkAspectRatio({ width, height }: Size): void {
  if (Math.max(width / height, height / width) <= MAX_ASPECT_RATIO) return;
  throw new InputImageError(
    `an image of ${width}x${height} is too narrow: the long side may be ${MAX_ASPECT_RATIO} times the short one; crop it.`,
  );
}

/**
 * The reference's size for a start image (short side `sampleSize`, long side the nearest multiple of 8) where the
 * stage can draw it, else the nearest one that it can.
 */
export function stageSize(image: Size, { sampleSize, multiple }: StageGrid): Size {
  const size = resizedSize(image.width, image.height, sampleSize);
  const ratio = image.width / image.height;
  const fit = (side: number, exact: number): number =>
    side % multiple === 0 ? side : Math.max(1, Math.round(exact / multiple)) * multiple;
  return ratio >= 1
    ? { width: fit(size.width, sampleSize * ratio), height: size.height }
    : { width: size.width, height: fit(size.height, sampleSize / ratio) };
}

/** @returns a sentence if a stage's size is not the one the reference would take. */
export function describeSizeChange(stage: string, image: Size, grid: StageGrid): string | undefined {
  const reference = resizedSize(image.width, image.height, grid.sampleSize);
  const size = stageSize(image, grid);
  if (size.width === reference.width && size.height === reference.height) return undefined;
  return (
    `${stage} draws ${size.width}x${size.height}, not ${reference.width}x${reference.height}: ` +
    `its network takes sides that are multiples of ${grid.multiple}.`
  );
}
