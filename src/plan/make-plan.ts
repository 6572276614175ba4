/**
 * @module plan/make-plan
 * Request -> Plan.
 */

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { CheckpointError } from "../errors.ts";
import type { StageKey } from "../catalog/manifest.ts";
import { programVersion } from "../machine/version.ts";
import type { Model } from "../catalog/find-model.ts";
import { planNotes } from "./notes.ts";
import type { DiffusionStage, Plan, SafetyStage, Selection, StartPicture } from "./plan.ts";
import type { MaskRequest, Request, SafetyAction, Side, StageRequest } from "./request.ts";
import { type Size, type StageGrid, checkAspectRatio, readStageGrid, stageSize } from "./stage-size.ts";
import { type Presets, noiseLevelOf, selectTimesteps, stageDefaults, strengthOf } from "./stage-settings.ts";

/** A model's folders that a run uses, and what its IF stages can draw. */
export interface WantedCheckpoints {
  readonly folders: readonly string[];
  readonly grids: readonly StageGrid[];
}

/** @throws {CheckpointError} one is missing. */
export async function readWantedCheckpoints({ checkpoints }: Model, until: Side): Promise<WantedCheckpoints> {
  const folders = [checkpoints.stage1, checkpoints.stage2, checkpoints.stage3].slice(0, stageCounts[until]);
  for (const folder of folders) checkFolder(folder);
  return { folders, grids: await Promise.all(folders.slice(0, 2).map(readStageGrid)) };
}

/**
 * @param presets timesteps by preset name.
 * @param picture size of the picture to start from; given if the request has one.
 * @throws {CheckpointError} a checkpoint is missing.
 * @throws {UsageError} an unknown preset, or a noise level or strength the stage does not take.
 * @throws {InputImageError} a picture much longer than it is wide.
 */
export async function makePlan(request: Request, model: Model, presets: Presets, picture?: Size): Promise<Plan> {
  if (picture) checkAspectRatio(picture);
  const wanted = await readWantedCheckpoints(model, request.until);
  const sizes = stageSizes(wanted, picture);
  const diffusion = wanted.folders.map((checkpoint, index) => {
    const stage = diffusionStage(index, request, model, presets);
    return { ...stage, checkpoint, ...(sizes[index] ?? { width: 0, height: 0 }) };
  });
  const [first = ""] = wanted.folders;
  const checker = checkerIn(wanted.folders);
  const safety = safetyStage(checker, diffusion.at(-1), request.safety ?? "black");
  const hasWatermark = existsSync(join(first, "watermarker"));
  const pasteBack = pasteBackOf(request);
  return {
    version: programVersion(),
    ...unchanged(request),
    model: model.name,
    watermark: request.watermark && hasWatermark,
    ...(pasteBack ? { pasteBack } : {}),
    stages: [
      { name: "text-encoding", checkpoint: first, cleanCaption: request.cleanCaption },
      ...diffusion,
      ...(safety ? [safety] : []),
    ],
    notes: planNotes(
      { ...request, model: model.name },
      { grids: wanted.grids, hasChecker: checker !== undefined, hasWatermark },
      picture,
    ),
  };
}

/** What a plan takes over from the request as it is. */
function unchanged(request: Request): Omit<Plan, "version" | "model" | "watermark" | "pasteBack" | "stages" | "notes"> {
  const { command, prompt, negativePrompt, seed, numImages, variant, eta, threads } = request;
  const given = { ...(variant ? { variant } : {}), ...(threads ? { threads } : {}) };
  return { command, prompt, negativePrompt, seed, numImages, eta, ...given };
}

const diffusionNames = ["stage-1", "stage-2", "stage-3"] as const;
const stageCounts: Readonly<Record<Side, number>> = { 64: 1, 256: 2, 1024: 3 };

type StageSettings = Omit<DiffusionStage, "checkpoint" | "width" | "height">;

function diffusionStage(index: number, request: Request, model: Model, presets: Presets): StageSettings {
  const name = diffusionNames[index] ?? "stage-1";
  const key = name.replace("-", "") as StageKey;
  const asked = request[key];
  const usual = stageDefaults(model, request.command, key);
  const timesteps = selectTimesteps(name, asked, usual, presets);
  const start = startOf(request, key, asked, usual, timesteps.selection);
  return {
    name,
    ...timesteps,
    guidanceScale: asked.guidance ?? usual.guidance,
    ...noiseLevelOf(name, asked, usual),
    ...(start ? { start } : {}),
  };
}

function startOf(
  { command, picture }: Request,
  key: StageKey,
  asked: StageRequest,
  usual: ReturnType<typeof stageDefaults>,
  selection: Selection,
): StartPicture | undefined {
  if (!picture || command === "txt2img" || key === "stage3") return undefined;
  const strength = strengthOf(command, key, asked, usual, selection);
  return { image: resolve(picture.image), strength, ...(picture.mask ? { mask: absoluteMask(picture.mask) } : {}) };
}

const absoluteMask = ({ file, ...mask }: MaskRequest): MaskRequest => ({
  ...mask,
  ...(file ? { file: resolve(file) } : {}),
});

function pasteBackOf({ picture }: Request): Plan["pasteBack"] {
  if (!picture?.mask || !picture.pasteBack) return undefined;
  return { image: resolve(picture.image), mask: absoluteMask(picture.mask) };
}

function safetyStage(
  checkpoint: string | undefined,
  of: DiffusionStage | undefined,
  action: SafetyAction,
): SafetyStage | undefined {
  if (checkpoint === undefined || action === "off" || !of) return undefined;
  return { name: "safety", checkpoint, action, of: { name: of.name, checkpoint: of.checkpoint } };
}

/** IF-I and IF-II carry the same checker: the first of them that is there. */
function checkerIn(folders: readonly string[]): string | undefined {
  return folders.find((folder) => existsSync(join(folder, "safety_checker")));
}

/** The upscaler makes four of each pixel's side. */
function stageSizes({ folders, grids }: WantedCheckpoints, picture: Size | undefined): Size[] {
  const sizes = grids.map((grid) =>
    picture ? stageSize(picture, grid) : { width: grid.sampleSize, height: grid.sampleSize },
  );
  const { width, height } = sizes[1] ?? { width: 0, height: 0 };
  return folders.length === 3
    ? [...sizes, { width: UPSCALER_FACTOR * width, height: UPSCALER_FACTOR * height }]
    : sizes;
}

const UPSCALER_FACTOR = 4;

function checkFolder(folder: string): void {
  if (existsSync(folder)) return;
  throw new CheckpointError(
    `${folder} is missing; a model's folder must hold if-i, if-ii and x4-upscaler ` +
      "(if-gen models list: models that can be fetched).",
  );
}
