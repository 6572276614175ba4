/**
 * @module executor/start-image
 * Where a stage starts: from noise, or from the job's image and mask at the stage's own size.
 */

import { InputImageError } from "../errors.ts";
import { composeMask } from "../image/mask.ts";
import type { GrayImage, RgbImage } from "../image/pixels.ts";
import { preprocessImageTo, preprocessMaskTo } from "../image/preprocess.ts";
import { type Noted, readImage, readMask } from "../image/read-image.ts";
import type { Tensor } from "../math/tensor.ts";
import type { Start } from "../pipelines/start.ts";
import type { DiffusionStage } from "../plan/plan.ts";
import { type MaskRequest, type StartImage, stageMask } from "../plan/request.ts";
import type { DiffusionName } from "../plan/stages.ts";
import { isTensorFile, readImageTensor } from "./image-tensor.ts";

/** @throws {InputImageError} the image or the mask cannot be read. */
export async function readStart(
  { name, strength, lessNoiseSteps, width, height }: DiffusionStage,
  given: StartImage | undefined,
): Promise<Start> {
  if (!given || strength === undefined) return { kind: "noise", height, width };
  const start = startOf(given, name);
  const { pixels, mask } = isTensorFile(start.image)
    ? await readStartTensor(start, width, height)
    : await readStartPixels(start, width, height);
  return {
    kind: "image",
    pixels,
    strength,
    ...(lessNoiseSteps ? { lessNoiseSteps } : {}),
    ...(mask ? { mask: preprocessMaskTo(mask, width, height) } : {}),
  };
}

/** @returns the image with the mask of that stage. */
export function startOf({ image, ...start }: StartImage, stage: DiffusionName): Pick<StartImage, "image" | "mask"> {
  const mask = stageMask({ image, ...start }, stage);
  return { image, ...(mask ? { mask } : {}) };
}

interface StartPixels {
  readonly pixels: Tensor; // (1, 3, height, width)
  readonly mask?: GrayImage;
}

async function readStartPixels(
  start: Pick<StartImage, "image" | "mask">,
  width: number,
  height: number,
): Promise<StartPixels> {
  const { image, ...rest } = await readStartFiles(start);
  return { pixels: preprocessImageTo(image, width, height), ...rest };
}

/** As diffusers: a tensor is not resized. */
async function readStartTensor(
  { image, mask }: Pick<StartImage, "image" | "mask">,
  width: number,
  height: number,
): Promise<StartPixels> {
  const pixels = await readImageTensor(image);
  const [images, , h = 0, w = 0] = pixels.shape;
  if (images !== 1 || h !== height || w !== width) {
    throw new InputImageError(`${image} holds [${pixels.shape.join(", ")}], but [1, 3, ${height}, ${width}] is drawn.`);
  }
  if (!mask) return { pixels };
  return { pixels, mask: composeMask(await readMaskFile(mask, image), mask, { width, height }) };
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
