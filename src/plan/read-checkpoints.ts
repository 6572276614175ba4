/**
 * @module plan/read-checkpoints
 * What a plan must know of a model's checkpoints, read once: their folders, the sizes their UNets draw, their schedulers,
 * and whether they bring a safety checker and a watermark.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { type SchedulerFile, parseSchedulerConfig } from "../schedulers/config.ts";
import { readJson } from "../weights/file.ts";
import { drawnStages, takesText } from "./drawn-stages.ts";
import type { Model } from "./model.ts";
import type { Request } from "./request.ts";
import { type UpscalerFile, readUpscalerFile } from "./single-pass.ts";
import { type StageGrid, readStageGrid } from "./stage-size.ts";
import type { DiffusionDescription } from "./stages.ts";

export interface DiffusionCheckpoint {
  readonly stage: DiffusionDescription;
  readonly folder: string;
  /** Of stages whose size is their UNet's own. */
  readonly grid?: StageGrid;
  readonly scheduler: SchedulerFile;
}

export interface Checkpoints {
  /** One per stage that draws, in the order of the run. */
  readonly diffusion: readonly DiffusionCheckpoint[];
  /** The folder the prompt is encoded with, which also holds the watermark; absent: no stage takes T5's embeddings. */
  readonly text?: string;
  readonly hasWatermark: boolean;
  /** The first checkpoint that holds a safety checker: IF-I and IF-II carry the same one. */
  readonly checker?: string;
  /** What enlarges in one pass, after all others; absent: nothing does. */
  readonly upscaler?: UpscalerFile;
  /** Sentences about what it lacks. */
  readonly notes: readonly string[];
}

/** @throws {CheckpointError} a checkpoint is missing, or a config of it is missing or not understood. */
export async function readCheckpoints(
  { checkpoints, text: textFolder }: Model,
  request: Pick<Request, "until" | "upscale" | "upscalerModel">,
): Promise<Checkpoints> {
  const stages = drawnStages(request);
  const text = takesText(request) ? { text: textFolder } : {};
  const folders = [...new Set([...Object.values(text), ...stages.map(({ repository }) => checkpoints[repository])])];
  folders.forEach(checkFolder);
  const diffusion = await Promise.all(stages.map((stage) => readDiffusion(stage, checkpoints[stage.repository])));
  const withChecker = folders.filter((folder) => existsSync(join(folder, "safety_checker")));
  const checker = withChecker.find((folder) => existsSync(join(folder, "feature_extractor")));
  const [incomplete] = withChecker;
  const notes =
    checker === undefined && incomplete !== undefined
      ? [`${incomplete} has a safety checker but no feature_extractor, which it needs; images are not looked at.`]
      : [];
  return {
    diffusion,
    ...text,
    hasWatermark: text.text !== undefined && existsSync(join(text.text, "watermarker")),
    ...(checker === undefined ? {} : { checker }),
    ...(request.upscalerModel === undefined ? {} : { upscaler: await readUpscalerFile(request.upscalerModel) }),
    notes,
  };
}

async function readDiffusion(stage: DiffusionDescription, folder: string): Promise<DiffusionCheckpoint> {
  const file = join(folder, "scheduler", "scheduler_config.json");
  const scheduler = parseSchedulerConfig(await readJson(file), file);
  const grid = stage.scale === "sample-size" ? { grid: await readStageGrid(folder) } : {};
  return { stage, folder, scheduler, ...grid };
}

function checkFolder(folder: string): void {
  if (existsSync(folder)) return;
  throw new CheckpointError(
    `${folder} is missing; a model's folder must hold if-i, if-ii and x4-upscaler ` +
      "(if-gen models list: models that can be fetched).",
  );
}
