/**
 * @module executor/draw-images
 * A stage's tensor -> images -> PNG files, signed with the checkpoint's watermark, with the run's settings as text.
 */

import { join } from "node:path";
import { z } from "zod";
import { pasteBack } from "../image/paste-back.ts";
import type { RgbaImage, RgbImage } from "../image/pixels.ts";
import { imagesFromSample, imagesFromUnit } from "../image/to-bytes.ts";
import { applyWatermark, watermarkFromTensor } from "../image/watermark.ts";
import { writePng } from "../image/write-png.ts";
import type { Tensor } from "../math/tensor.ts";
import { findWatermark } from "../networks/watermark.ts";
import type { ImageStage } from "../plan/plan.ts";
import { describeStage, rangeOf } from "../plan/stages.ts";
import { readTensorAsFloat32 } from "../weights/safetensors.ts";
import { readJson } from "../weights/file.ts";
import type { JobImages, TaskJob } from "./protocol.ts";
import { writeBytes } from "./stage-files.ts";
import { readStartFiles, startOf } from "./start-image.ts";

/** Whose images: a stage that draws, or what the safety stage knows of it. */
type Origin = Pick<ImageStage, "name" | "checkpoint">;

/** @returns the images of a stage's file as bytes, the original's untouched pixels put back where that is asked for. */
export async function developImages(
  images: Tensor,
  { name }: Origin,
  { images: files, start }: Pick<TaskJob, "images" | "start">,
): Promise<RgbImage[]> {
  const drawn = rangeOf(name) === "unit" ? imagesFromUnit(images) : imagesFromSample(images);
  if (files?.pasteBack === undefined || !start) return drawn;
  const { image, mask } = await readStartFiles(startOf(start, files.pasteBack));
  return mask ? drawn.map((one) => pasteBack(one, image, mask)) : drawn;
}

/**
 * Signs the images and writes them.
 * @param ready awaited before the first file is written: what it waits for takes its time beside the encoding.
 * @throws {OutputError} a file cannot be written.
 */
export async function drawImages(
  images: readonly RgbImage[],
  origin: Origin,
  { files, watermarker }: JobImages,
  ready?: Promise<unknown>,
): Promise<void> {
  const mark = watermarker ? await readWatermark(watermarker) : undefined;
  const sampleSize = await readSampleSize(origin);
  for (const [index, image] of images.entries()) {
    const file = files[index];
    if (!file) throw new Error(`no path for image ${index + 1}`);
    const signed = mark ? applyWatermark(image, mark, sampleSize) : image;
    await writePng(file.path, signed, new Map(Object.entries(file.texts)), ready);
    if (file.pixels) await writeBytes(file.pixels, signed.data);
  }
}

/** @returns the side the mark is sized for, the UNet's `sample_size`; undefined: the image's own. */
async function readSampleSize({ name, checkpoint }: Origin): Promise<number | undefined> {
  if (describeStage(name).kind !== "diffusion") return undefined; // a file alone
  const config = await readJson(join(checkpoint, "unet", "config.json"));
  return z.object({ sample_size: z.number() }).safeParse(config).data?.sample_size;
}

async function readWatermark(checkpoint: string): Promise<RgbaImage> {
  const entry = await findWatermark(checkpoint);
  return watermarkFromTensor(await readTensorAsFloat32(entry.file, entry));
}
