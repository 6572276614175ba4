/**
 * @module run/stage-images
 * Which stage draws which pictures, and what --save-stages keeps of a run.
 */

import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { OutputError, whyNotWritten } from "../errors.ts";
import { SAFETY_REPORT_FILE, type SafetyReport, type StageJob, filesOf, safetyReport } from "../executor/protocol.ts";
import { type Plan, type Stage, diffusionStages } from "../plan/plan.ts";
import { stagePicturePaths } from "./outputs.ts";
import { pictureParameters } from "./parameters.ts";

/** The run's last stage draws the result; the others draw only when the stages are saved. */
export function picturesOf(
  stage: Stage,
  plan: Plan,
  outputs: readonly string[],
  saved: string | undefined,
): StageJob["pictures"] {
  const isLast = plan.stages.at(-1) === stage;
  const last = diffusionStages(plan).at(-1);
  const of = isLast ? last : diffusionStages(plan).find(({ name }) => name === stage.name);
  if (!of || (!isLast && (saved === undefined || of === last))) return undefined; // a safety stage draws for the last one
  const paths = isLast ? outputs : stagePicturePaths(saved ?? "", of.name, plan.numImages);
  const [text] = plan.stages; // IF's watermark belongs to its first checkpoint
  return {
    files: paths.map((path, index) => ({ path, parameters: pictureParameters(plan, of, index) })),
    ...(plan.watermark && text?.name === "text-encoding" ? { watermarker: text.checkpoint } : {}),
    ...(isLast && plan.pasteBack ? { pasteBack: plan.pasteBack } : {}),
  };
}

/** Copies the stages' files, and the result as the picture of the stage that drew it. */
export async function saveStages(folder: string, target: string, plan: Plan, drawn: readonly string[]): Promise<void> {
  try {
    for (const name of plan.stages.flatMap((stage) => filesOf(stage.name))) {
      await copyFile(join(folder, `${name}.safetensors`), join(target, `${name}.safetensors`));
    }
    const last = diffusionStages(plan).at(-1)?.name ?? "";
    for (const [index, path] of stagePicturePaths(target, last, plan.numImages).entries()) {
      await copyFile(drawn[index] ?? "", path);
    }
  } catch (cause) {
    throw new OutputError(`the stages cannot be saved in ${target}: ${whyNotWritten(cause)}.`, { cause });
  }
}

/** @returns what the safety stage said of the pictures; undefined if the plan has none. */
export async function readSafetyReport(folder: string, { stages }: Plan): Promise<SafetyReport | undefined> {
  if (!stages.some(({ name }) => name === "safety")) return undefined;
  return safetyReport.parse(JSON.parse(await readFile(join(folder, SAFETY_REPORT_FILE), "utf8")));
}
