/**
 * @module executor/start-picture
 * Where a stage starts: from noise, or from the user's picture and mask at the stage's own size.
 */

import { composeMask } from "../image/mask.ts";
import type { GrayImage, RgbImage } from "../image/pixels.ts";
import { preprocessImageTo, preprocessMaskTo } from "../image/preprocess.ts";
import { readImage, readMask } from "../image/read-image.ts";
import type { Start } from "../pipelines/start.ts";
import type { DiffusionStage } from "../plan/plan.ts";
import type { MaskRequest } from "../plan/request.ts";

/** @throws {InputImageError} the picture or the mask cannot be read. */
export async function readStart({ start, width, height }: DiffusionStage): Promise<Start> {
  if (!start) return { kind: "noise", height, width };
  const { image, mask } = await readStartFiles(start);
  const picture = preprocessImageTo(image, width, height);
  return {
    kind: "picture",
    picture,
    strength: start.strength,
    ...(mask ? { mask: preprocessMaskTo(mask, width, height) } : {}),
  };
}

/** @throws {InputImageError} the picture or the mask cannot be read. */
export async function readStartFiles(start: {
  readonly image: string;
  readonly mask?: MaskRequest;
}): Promise<{ image: RgbImage; mask?: GrayImage }> {
  const image = await readImage(start.image);
  if (!start.mask) return { image };
  const file = start.mask.file === undefined ? undefined : await readMask(start.mask.file);
  return { image, mask: composeMask(file, start.mask, image) };
}
