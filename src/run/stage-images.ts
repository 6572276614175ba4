/**
 * @module run/stage-images
 * Which stage draws which images of a job, and what is kept of a job's stages.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type JobImages, SAFETY_REPORT_FILE, type SafetyReport, safetyReport } from "../executor/protocol.ts";
import { drawnStages, takesText } from "../plan/drawn-stages.ts";
import { PARAMETERS, SETTINGS } from "../image/text-keywords.ts";
import {
  type Plan,
  type Stage,
  diffusionStages,
  imageStages,
  lastImageStage,
  watermarkCheckpoint,
} from "../plan/plan.ts";
import { imageCount } from "../plan/prompts.ts";
import type { Request } from "../plan/request.ts";
import { type DiffusionName, describeStage, stageOfKind } from "../plan/stages.ts";
import { numbered, placeOutput } from "./outputs.ts";
import { imageParameters } from "./parameters.ts";

/** What is drawn of a job, in the job's own folder. */
export interface JobOutputs {
  readonly folder: string;
  /** Keep each image's pixels as they are too? */
  readonly pixels: boolean;
  /** Draw the images of every stage? */
  readonly allStages: boolean;
  /** What the result is drawn from again, as text. */
  readonly settings: string;
}

/** @returns the file of a job's image, in the job's folder. */
export const imageFile = (folder: string, index: number): string => join(folder, `image-${index + 1}.png`);
export const pixelFile = (folder: string, index: number): string => join(folder, `image-${index + 1}.rgb`);

const indices = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** The run's last stage draws the result; the others draw only when all stages are wanted. */
export function imagesOf(stage: Stage, plan: Plan, job: number, outputs: JobOutputs): JobImages | undefined {
  const { folder, pixels, allStages, settings } = outputs;
  const isLast = plan.stages.at(-1) === stage;
  const last = lastImageStage(plan);
  const drawn = isLast ? last : imageStages(plan).find(({ name }) => name === stage.name);
  if (!drawn || (!isLast && (!allStages || drawn === last))) return undefined; // a safety stage draws for the last one
  const stageFiles = numbered(join(folder, `${drawn.name}.png`), plan.numImages);
  const watermarker = watermarkCheckpoint(plan);
  return {
    files: indices(plan.numImages).map((index) => ({
      path: isLast ? imageFile(folder, index) : (stageFiles[index] ?? ""),
      texts: { [PARAMETERS]: imageParameters(plan, job, drawn, index), ...(isLast ? { [SETTINGS]: settings } : {}) },
      ...(isLast && pixels ? { pixels: pixelFile(folder, index) } : {}),
    })),
    ...(watermarker === undefined ? {} : { watermarker }),
    ...(isLast && plan.jobs[job]?.start?.pasteBack ? { pasteBack: lastStarting(plan) } : {}),
  };
}

/** @returns the last stage that starts from the image: outside its mask it left the original. */
function lastStarting(plan: Plan): DiffusionName {
  const stage = diffusionStages(plan).findLast(({ strength }) => strength !== undefined);
  if (!stage) throw new Error("no stage starts from the image");
  return stage.name;
}

/** @returns the names of the files that saving a run's stages writes. */
export function savedStageFiles(request: Request): string[] {
  const stages = [...drawnStages(request), ...(request.upscalerModel === undefined ? [] : [describeStage("esrgan")])];
  const numImages = imageCount(request);
  return [
    ...[...(takesText(request) ? [stageOfKind("text")] : []), ...stages].flatMap(({ files }) =>
      files.map((file) => `${file}.safetensors`),
    ),
    ...stages.flatMap(({ name }) => numbered(`${name}.png`, numImages)),
  ];
}

/** Copies a job's tensors and images, its result as the image of the stage that drew it. */
export async function saveStages(folder: string, target: string, plan: Plan, overwrite: boolean): Promise<void> {
  const last = lastImageStage(plan);
  for (const name of plan.stages.flatMap((stage) => describeStage(stage.name).files)) {
    await placeOutput(join(folder, `${name}.safetensors`), join(target, `${name}.safetensors`), overwrite);
  }
  for (const stage of imageStages(plan)) {
    for (const [index, name] of numbered(`${stage.name}.png`, plan.numImages).entries()) {
      const source = stage === last ? imageFile(folder, index) : join(folder, name);
      await placeOutput(source, join(target, name), overwrite);
    }
  }
}

/** @returns what the safety stage said of a job's images; undefined if the plan has none. */
export async function readSafetyReport(folder: string, { stages }: Plan): Promise<SafetyReport | undefined> {
  if (!stages.some(({ kind }) => kind === "safety")) return undefined;
  return safetyReport.parse(JSON.parse(await readFile(join(folder, SAFETY_REPORT_FILE), "utf8")));
}
