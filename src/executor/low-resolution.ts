/**
 * @module executor/low-resolution
 * The image that a stage enlarges: what the stage before has drawn or, of an upscale's first stage, the user's.
 */

import { preprocessLowResolution, tensorFromPixels } from "../image/preprocess.ts";
import { resizeForUpscaler } from "../image/preprocess-upscaler.ts";
import type { RgbImage } from "../image/pixels.ts";
import { denormalize } from "../image/to-bytes.ts";
import { readImage } from "../image/read-image.ts";
import { repeatInterleave } from "../math/layout.ts";
import type { Tensor } from "../math/tensor.ts";
import type { DiffusionStage, SinglePassStage } from "../plan/plan.ts";
import { describeDiffusion, diffusionTable, rangeOf } from "../plan/stages.ts";
import { isTensorFile, readImageTensor } from "./image-tensor.ts";
import type { TaskJob } from "./protocol.ts";
import { readTensorFile } from "./stage-files.ts";

/**
 * @returns (numImages, 3, h, w): in [-1, 1], or for the x4 upscaler's latents also in [0, 1].
 * @throws {InputImageError} the image cannot be read.
 */
export async function readLowResolution(stage: DiffusionStage, job: TaskJob, numImages: number): Promise<Tensor> {
  if (!stage.enlargesInput || job.lowResolution === undefined) return readTensorFile(job.folder, fileBefore(stage));
  const images = await readGiven(stage, job.lowResolution);
  return images.shape[0] === numImages ? images : repeatInterleave(images, numImages);
}

/** @returns (numImages, 3, h, w) in [0, 1], for a stage that takes them so. @throws {InputImageError} as readLowResolution. */
export async function readUnitImages(
  { of: before }: SinglePassStage,
  job: TaskJob,
  numImages: number,
): Promise<Tensor> {
  if (before !== undefined) {
    const drawn = await readTensorFile(job.folder, before);
    return rangeOf(before) === "unit" ? drawn : denormalize(drawn);
  }
  const path = job.lowResolution ?? "";
  const images = isTensorFile(path) ? asUnit(await readImageTensor(path)) : unitOf(await readImage(path));
  return images.shape[0] === numImages ? images : repeatInterleave(images, numImages);
}

const unitOf = (image: RgbImage): Tensor => tensorFromPixels(image, (byte) => byte / 255);

/** As the x4 upscaler: it is in [-1, 1] if any number is negative. */
const asUnit = (image: Tensor): Tensor => (image.data.some((value) => value < 0) ? denormalize(image) : image);

/** Of a file's bytes each stage has a way of its own, as its pipeline in diffusers; tensors are taken as they are. */
async function readGiven({ name }: DiffusionStage, path: string): Promise<Tensor> {
  if (isTensorFile(path)) return readImageTensor(path);
  const image = await readImage(path);
  if (describeDiffusion(name).pixels) return preprocessLowResolution(image);
  return unitOf(resizeForUpscaler(image)); // [0, 1], which the pipeline makes [-1, 1]
}

/** @returns the tensor file of the stage that draws before this one. */
function fileBefore({ name }: DiffusionStage): (typeof diffusionTable)[number]["name"] {
  const before = diffusionTable[diffusionTable.findIndex((row) => row.name === name) - 1];
  if (!before) throw new Error(`no stage draws before ${name}`);
  return before.name;
}
