/**
 * @module catalog/find-model
 * `--model` and `--stage-N-model` -> the folders of the three checkpoints, and the settings the model was made for.
 * What is in the Hub's cache is used as it lies, whoever put it there; what is missing is fetched, if that is wished.
 */

import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { CheckpointError, HubError } from "../errors.ts";
import type { DownloadEvent, HubSettings } from "../hub/types.ts";
import { nearestName } from "../weights/nearest-name.ts";
import { adapterError } from "../weights/variant-files.ts";
import type { Variant } from "../weights/variants.ts";
import { type HubSource, type Located, locateStage } from "./locate.ts";
import { type Cascade, type Manifest, type StageSource, stageSourceOf, stagesIn } from "./manifest.ts";
import { readPins } from "./pins.ts";
import { pullStage } from "./pull.ts";
import { drawnStages, neededLayout, needsTextEncoder } from "../plan/drawn-stages.ts";
import type { CascadeDefaults, Model } from "../plan/model.ts";
import type { Request } from "../plan/request.ts";
import {
  type RepositoryKey,
  type RepositoryLayout,
  type Side,
  diffusionTable,
  repositoryKeys,
  stageOfKind,
} from "../plan/stages.ts";

export interface ModelRequest {
  /** A name of models.json, or a folder that holds if-i, if-ii and x4-upscaler. */
  readonly model: string;
  /** Each a folder, `organisation/name` or `organisation/name@revision`: takes the place of the model's. */
  readonly stages?: Readonly<Partial<Record<RepositoryKey, string>>>;
  /** As `stages`, for the checkpoint whose T5 encodes prompts. */
  readonly text?: string;
  readonly variant?: Variant;
  /** The last side that is drawn: checkpoints of larger ones need not be there. */
  readonly until: Side;
  /** Other stages than all up to that side. */
  readonly upscale?: Request["upscale"] | undefined;
  /** Are embeddings given? Then T5 need not be there. */
  readonly promptEmbeds?: string | undefined;
}

export interface ModelSources {
  readonly manifest: Manifest;
  readonly settings: HubSettings;
  /** HF_HOME: where the pins lie. */
  readonly home: string;
  /** Absent: what is missing is an error. */
  readonly download?: {
    readonly onProgress?: (repo: string, event: DownloadEvent) => void;
    readonly signal?: AbortSignal;
  };
  /** What stands for a repository that is not here, where nothing may be fetched: a folder that a plan can be made of. */
  readonly outline?: OutlineStage | undefined;
  readonly onNote?: (text: string) => void;
}

export type OutlineStage = (
  stage: RepositoryKey,
  source: HubSource,
  variant: Variant | undefined,
  layout: RepositoryLayout,
) => Promise<string>;

/** The reference pipelines' own defaults, for checkpoints that have none in models.json. */
const referenceDefaults: CascadeDefaults = {
  stage1: { steps: 100, guidance: 7 },
  stage2: { steps: 50, guidance: 4, noiseLevel: 250 },
  stage3: { steps: 75, guidance: 9, noiseLevel: 20 },
  img2img: { stage1: { steps: 80, guidance: 10 } },
  inpaint: { stage1: { steps: 50, guidance: 7 }, stage2: { steps: 100, guidance: 4, noiseLevel: 0 } },
};

/**
 * @throws {CheckpointError} there is no such model, or a folder is missing.
 * @throws {HubError} a repository is not in the cache and cannot be fetched: says which command fetches it.
 */
export async function findModel(request: ModelRequest, sources: ModelSources): Promise<Model> {
  const cascade = findCascade(request.model, sources.manifest);
  const textKey = stageOfKind("text").repository;
  const needsText = needsTextEncoder(request);
  const needed = new Set(drawnStages(request).map(({ repository }) => repository));
  if (needsText) needed.add(textKey);
  const checkpoints: Partial<Record<RepositoryKey, string>> = {};
  for (const key of repositoryKeys) {
    const { source, option } = sourceOf(key, request.stages?.[key], cascade, sources);
    const isChecked = needed.has(key) || (option !== undefined && source.kind === "folder"); // a mistyped folder is told at once
    checkpoints[key] = isChecked ? await folderOf(key, source, option, request, sources) : placeOf(source);
  }
  const found = checkpoints as Model["checkpoints"];
  const replaced = repositoryKeys.filter((key) => request.stages?.[key] !== undefined);
  return {
    name: [request.model, ...replaced.map((key) => request.stages?.[key])].join(" + "),
    isOwn: cascade.isOwn && replaced.length === 0,
    checkpoints: found,
    text: needsText
      ? await textFolder(textKey, found[textKey], cascade, request, sources)
      : found[drawnStages(request)[0]?.repository ?? textKey],
    defaults: mergedDefaults(cascade, replaced),
  };
}

interface RequestedSource {
  readonly source: StageSource;
  /** The option that names it; absent: the cascade's own. */
  readonly option?: string;
}

function sourceOf(
  key: RepositoryKey,
  requested: string | undefined,
  cascade: Cascade,
  { manifest }: ModelSources,
): RequestedSource {
  if (requested === undefined) return { source: cascade.stages[key] };
  return {
    source: stageSourceOf(requested, ".", manifest.repositories),
    option: `--${optionOf(key)}-model ${requested}`,
  };
}

const placeOf = (source: StageSource): string => (source.kind === "folder" ? source.folder : source.repo);

async function folderOf(
  key: RepositoryKey,
  source: StageSource,
  option: string | undefined,
  request: ModelRequest,
  sources: ModelSources,
): Promise<string> {
  if (source.kind === "hub") return hubFolder(key, source, request, sources);
  if (option !== undefined) checkStageFolder(option, source.folder);
  return source.folder;
}

/** A checkpoint that was trained and saved without T5 takes the model's: it was trained with that one. */
async function textFolder(
  key: RepositoryKey,
  first: string,
  cascade: Cascade,
  request: ModelRequest,
  sources: ModelSources,
): Promise<string> {
  if (request.text !== undefined) {
    const source = stageSourceOf(request.text, ".", sources.manifest.repositories);
    return folderOf(key, source, `--text-encoder-model ${request.text}`, request, sources);
  }
  const isReplaced = request.stages?.[key] !== undefined;
  if (!isReplaced || existsSync(join(first, "text_encoder"))) return first;
  const folder = await folderOf(key, cascade.stages[key], undefined, request, sources);
  sources.onNote?.(`${first} has no text_encoder; the prompt is encoded by that of ${folder}.`);
  return folder;
}

/**
 * @param name a name of models.json, or a folder.
 * @throws {CheckpointError} it is neither.
 */
export function findCascade(name: string, { cascades }: Manifest): Cascade {
  const cascade = cascades.get(name);
  if (cascade) return cascade;
  const directory = resolve(name);
  if (name.endsWith(".safetensors") && existsSync(directory)) {
    throw new CheckpointError(`${name} is one file, not a model; if it is a LoRA, give it with --lora.`);
  }
  if (existsSync(directory) && statSync(directory).isDirectory()) {
    checkNoAdapter(name, directory);
    return { name, description: "", license: "", isOwn: false, stages: stagesIn(directory) };
  }
  const hint = /^[\w.-]+\/[\w.-]+$/.test(name)
    ? `; a repository is one stage's: give it with ${diffusionTable.map((row) => `--${row.name}-model`).join(", ")}`
    : "";
  const nearest = nearestName(name, cascades.keys());
  const likely = nearest === undefined ? "." : `; did you mean ${nearest}?`;
  throw new CheckpointError(
    `${name} is neither a folder that holds if-i, if-ii and x4-upscaler nor one of ${[...cascades.keys()].join(", ")}${hint}${likely}`,
  );
}

/** A stage that was replaced has the reference's defaults: the cascade's were found with another network. */
function mergedDefaults(
  { defaults = referenceDefaults }: Cascade,
  replaced: readonly RepositoryKey[],
): CascadeDefaults {
  const merge = <T extends object>(settings: T | undefined, reference: T | undefined): T => {
    const others = Object.entries(settings ?? {}).filter(([stage]) => !replaced.includes(stage as RepositoryKey));
    const taken = Object.entries(reference ?? {}).filter(([stage]) => replaced.includes(stage as RepositoryKey));
    return Object.fromEntries([...others, ...taken]) as T;
  };
  return {
    ...merge(defaults, referenceDefaults),
    img2img: merge(defaults.img2img, referenceDefaults.img2img),
    inpaint: merge(defaults.inpaint, referenceDefaults.inpaint),
  };
}

/** The stage by which a repository is named in options. */
export const optionOf = (key: RepositoryKey): string =>
  diffusionTable.find(({ repository }) => repository === key)?.name ?? key;

/** A LoRA is not a network. */
function checkNoAdapter(name: string, folder: string): void {
  const error = adapterError(name, readdirSync(folder));
  if (error) throw error;
}

function checkStageFolder(option: string, folder: string): void {
  if (existsSync(folder)) {
    if (statSync(folder).isDirectory()) checkNoAdapter(option, folder);
    return;
  }
  throw new CheckpointError(`${option}: neither a folder that exists nor organisation/name of the Hub; check it.`);
}

async function hubFolder(
  stage: RepositoryKey,
  source: HubSource,
  request: ModelRequest,
  { settings, home, download, outline, onNote }: ModelSources,
): Promise<string> {
  const { model, stages, variant } = request;
  const { repo } = source;
  const layout = neededLayout(stage, request);
  const located = await locateStage(settings, readPins(home), stage, source, variant, layout);
  if (located?.missing.length === 0) return located.folder;
  const useAsItIs = ({ folder, missing }: Located): string => {
    onNote?.(`${repo} is in the cache without ${missing.join(" and ")}; it is used as it is.`);
    return folder;
  };
  if (settings.offline && located?.usable) return useAsItIs(located);
  if (outline && !settings.offline) return outline(stage, source, variant, layout);
  if (settings.offline || !download) {
    const why = settings.offline ? "HF_HUB_OFFLINE forbids fetching it" : "--dry-run fetches nothing";
    const state = located === undefined ? "is not in the cache" : `lacks ${located.missing.join(" and ")} in the cache`;
    const command = `if-gen models pull ${model}${variant === undefined ? "" : ` --variant ${variant}`}`;
    const next = stages?.[stage] === undefined ? `run ${command} first` : "run this once without that";
    throw new HubError("offline", `${repo} ${state} and ${why}; ${next}.`);
  }
  try {
    const pulled = await pullStage(settings, home, stage, source, {
      layout,
      ...(variant === undefined ? {} : { variant }),
      ...(download.signal ? { signal: download.signal } : {}),
      onProgress: (event) => download.onProgress?.(repo, event),
    });
    return pulled.folder;
  } catch (error) {
    const isAway = error instanceof HubError && error.reason === "network";
    if (isAway && located?.usable) return useAsItIs(located);
    throw error;
  }
}
