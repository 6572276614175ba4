/**
 * @module executor/draw-pictures
 * A stage's tensor -> pictures -> PNG files, signed with the checkpoint's watermark, with the run's settings as text.
 */

import { join } from "node:path";
import { pasteBack } from "../image/paste-back.ts";
import type { RgbaImage, RgbImage } from "../image/pixels.ts";
import { imagesFromSample, imagesFromUnit } from "../image/to-bytes.ts";
import { applyWatermark, watermarkFromTensor } from "../image/watermark.ts";
import { writePng } from "../image/write-png.ts";
import type { Tensor } from "../math/tensor.ts";
import { readIfUnetConfig } from "../models/if-unet-config.ts";
import { readSdUnetConfig } from "../models/sd-unet-config.ts";
import type { DiffusionStage } from "../plan/plan.ts";
import { openWeights } from "../weights/checkpoint.ts";
import { findWeight } from "../weights/find-weight.ts";
import { readTensorAsFloat32 } from "../weights/safetensors.ts";
import type { StageJob } from "./protocol.ts";
import { readStartFiles } from "./start-picture.ts";

export type Pictures = NonNullable<StageJob["pictures"]>;

/** Whose pictures: a diffusion stage, or what the safety stage knows of it. */
type Origin = Pick<DiffusionStage, "name" | "checkpoint">;

/** IFWatermarker's picture: 62 x 62 RGBA. */
const WATERMARK_SHAPE = [62, 62, 4];

/** @returns the pictures of a stage's file as bytes, the original's untouched pixels put back where that is asked for. */
export async function developPictures(images: Tensor, of: Origin, { pasteBack: back }: Pictures): Promise<RgbImage[]> {
  const drawn = of.name === "stage-3" ? imagesFromUnit(images) : imagesFromSample(images);
  if (!back) return drawn;
  const { image, mask } = await readStartFiles(back);
  return mask ? drawn.map((picture) => pasteBack(picture, image, mask)) : drawn;
}

/** Signs the pictures and writes them. @throws {OutputError} a file cannot be written. */
export async function drawPictures(
  images: readonly RgbImage[],
  of: Origin,
  { files, watermarker }: Pictures,
): Promise<void> {
  const mark = watermarker ? await readWatermark(watermarker) : undefined;
  const sampleSize = await readSampleSize(of);
  for (const [index, picture] of images.entries()) {
    const file = files[index];
    if (!file) throw new Error(`no path for picture ${index + 1}`);
    const signed = mark ? applyWatermark(picture, mark, sampleSize) : picture;
    await writePng(file.path, signed, new Map([["parameters", file.parameters]]));
  }
}

/** @returns the side the mark is sized for, the UNet's `sample_size`; undefined: the picture's own. */
async function readSampleSize({ name, checkpoint }: Origin): Promise<number | undefined> {
  const readConfig = name === "stage-3" ? readSdUnetConfig : readIfUnetConfig;
  const { sample_size: sampleSize } = await readConfig(join(checkpoint, "unet"));
  return typeof sampleSize === "number" ? sampleSize : undefined;
}

async function readWatermark(checkpoint: string): Promise<RgbaImage> {
  const weights = await openWeights(join(checkpoint, "watermarker"));
  const entry = findWeight(weights, "watermark_image", WATERMARK_SHAPE);
  return watermarkFromTensor(await readTensorAsFloat32(entry.file, entry));
}
