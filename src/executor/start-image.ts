/**
 * @module executor/start-image
 * Where a stage starts: from noise, or from the job's image and mask at the stage's own size.
 */

import { composeMask } from "../image/mask.ts";
import type { GrayImage, RgbImage } from "../image/pixels.ts";
import { preprocessImageTo, preprocessMaskTo } from "../image/preprocess.ts";
import { type Noted, readImage, readMask } from "../image/read-image.ts";
import type { Start } from "../pipelines/start.ts";
import type { DiffusionStage } from "../plan/plan.ts";
import type { MaskRequest, StartImage } from "../plan/request.ts";

/** @throws {InputImageError} the image or the mask cannot be read. */
export async function readStart(
  { strength, width, height }: DiffusionStage,
  start: StartImage | undefined,
): Promise<Start> {
  if (!start || strength === undefined) return { kind: "noise", height, width };
  const { image, mask } = await readStartFiles(start);
  return {
    kind: "picture",
    picture: preprocessImageTo(image, width, height),
    strength,
    ...(mask ? { mask: preprocessMaskTo(mask, width, height) } : {}),
  };
}

/** @throws {InputImageError} the image or the mask cannot be read. */
export async function readStartFiles(
  start: Pick<StartImage, "image" | "mask">,
): Promise<{ image: RgbImage; mask?: GrayImage }> {
  const image = await readImage(start.image);
  if (!start.mask) return { image };
  const file = await readMaskFile(start.mask, start.image);
  return { image, mask: composeMask(file, start.mask, image) };
}

/** @returns undefined: the mask is made of shapes alone. @throws {InputImageError} it cannot be read, or is no mask. */
export async function readMaskFile(
  { file, fromAlpha }: MaskRequest,
  imagePath: string,
): Promise<Noted<GrayImage> | undefined> {
  return file === undefined ? undefined : readMask(file, { fromAlpha, imagePath });
}
