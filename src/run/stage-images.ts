/**
 * @module run/stage-images
 * Which stage draws which images of a job, and what is kept of a job's stages.
 */

import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { OutputError, whyNotWritten } from "../errors.ts";
import { type JobImages, SAFETY_REPORT_FILE, type SafetyReport, safetyReport } from "../executor/protocol.ts";
import { type Plan, type Stage, diffusionStages, lastDiffusionStage, watermarkCheckpoint } from "../plan/plan.ts";
import { describeStage } from "../plan/stages.ts";
import { stageImagePaths } from "./outputs.ts";
import { imageParameters } from "./parameters.ts";

/** Where a job's results go. */
export interface JobOutputs {
  /** One path per image. */
  readonly images: readonly string[];
  /** Where each image's pixels go as they are; absent: nowhere. */
  readonly pixels?: readonly string[];
  /** The folder of the saved stages; absent: they are not saved. */
  readonly stages?: string | undefined;
}

/** The run's last stage draws the result; the others draw only when the stages are saved. */
export function imagesOf(stage: Stage, plan: Plan, job: number, outputs: JobOutputs): JobImages | undefined {
  const isLast = plan.stages.at(-1) === stage;
  const last = lastDiffusionStage(plan);
  const drawn = isLast ? last : diffusionStages(plan).find(({ name }) => name === stage.name);
  if (!drawn || (!isLast && (outputs.stages === undefined || drawn === last))) return undefined; // a safety stage draws for the last one
  const paths = isLast ? outputs.images : stageImagePaths(outputs.stages ?? "", drawn.name, plan.numImages);
  const watermarker = watermarkCheckpoint(plan);
  return {
    files: paths.map((path, index) => {
      const pixels = isLast ? outputs.pixels?.[index] : undefined;
      return { path, parameters: imageParameters(plan, job, drawn, index), ...(pixels ? { pixels } : {}) };
    }),
    ...(watermarker === undefined ? {} : { watermarker }),
    pasteBack: isLast && plan.jobs[job]?.start?.pasteBack === true,
  };
}

/** Copies a job's files, and the result as the image of the stage that drew it. */
export async function saveStages(folder: string, target: string, plan: Plan, images: readonly string[]): Promise<void> {
  try {
    for (const name of plan.stages.flatMap((stage) => describeStage(stage.name).files)) {
      await copyFile(join(folder, `${name}.safetensors`), join(target, `${name}.safetensors`));
    }
    const { name } = lastDiffusionStage(plan);
    for (const [index, path] of stageImagePaths(target, name, plan.numImages).entries()) {
      await copyFile(images[index] ?? "", path);
    }
  } catch (cause) {
    throw new OutputError(`the stages cannot be saved in ${target}: ${whyNotWritten(cause)}.`, { cause });
  }
}

/** @returns what the safety stage said of a job's images; undefined if the plan has none. */
export async function readSafetyReport(folder: string, { stages }: Plan): Promise<SafetyReport | undefined> {
  if (!stages.some(({ kind }) => kind === "safety")) return undefined;
  return safetyReport.parse(JSON.parse(await readFile(join(folder, SAFETY_REPORT_FILE), "utf8")));
}
