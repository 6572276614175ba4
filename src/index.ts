/**
 * @module index
 * The library: what the command line can do, from a program. It prints nothing, ends no process, listens to no signal and
 * keeps no state between runs; two runs at once do not know of each other. docs/library.md has examples.
 */

import { readCascadeStatus } from "./catalog/cascade-status.ts";
import { findCascade } from "./catalog/find-model.ts";
import { readHubContext } from "./catalog/hub-context.ts";
import { planModelPull, pullModelFiles } from "./catalog/pull-model.ts";
import { type ModelStatus, modelStatus, readStatusSources } from "./catalog/model-status.ts";
import type { SafetyReport } from "./executor/protocol.ts";
import type { DownloadEvent } from "./hub/types.ts";
import type { Limits, StageNeed } from "./memory/budget.ts";
import type { CommandName } from "./plan/choices.ts";
import type { Plan } from "./plan/plan.ts";
import type { Request } from "./plan/request.ts";
import { type Side, type StageName, sides } from "./plan/stages.ts";
import { completePlans } from "./run/complete-plans.ts";
import { type DrawnJob, drawRequests } from "./run/draw.ts";
import type { RunEvent } from "./run/events.ts";
import { type Handle, createHandle } from "./run/handle.ts";
import {
  type JobOptions,
  type MaskOptions,
  type StartOptions,
  maskOptionNames,
  requestFromOptions,
} from "./run/job-options.ts";
import { bytesOf, checkSettings } from "./run/library-settings.ts";
import { inLibraryWords, withLibraryWords } from "./run/library-words.ts";
import type { RunSettings } from "./run/settings.ts";
import type { StyleOptions as StyleImageOptions } from "./run/style-options.ts";
import type { UpscaleOptions as UpscaleImageOptions } from "./run/upscale-options.ts";

export {
  CheckpointError,
  type ErrorCode,
  GpuMemoryError,
  HubError,
  IfGenError,
  InputImageError,
  OutputError,
  StageError,
  UsageError,
} from "./errors.ts";
export type { Handle, Limits, Plan, RunEvent, StageNeed };

/** What an image is drawn from: the command line's options in camelCase. */
export type Txt2imgOptions = JobOptions;
export type Img2imgOptions = JobOptions & StartOptions;
export type InpaintOptions = JobOptions & StartOptions & MaskOptions;
/** A prompt may be left out: then the style is it. */
export type StyleOptions = JobOptions & StyleImageOptions;
/** A prompt may be left out; `until`, `aspectRatio` and stage 1's settings do not concern it. */
export type UpscaleOptions = Omit<JobOptions, "until" | "aspectRatio"> & UpscaleImageOptions;

/** What concerns a run as a whole. */
export interface Settings {
  /** RAM that a stage may take, in bytes or as `13GB`. @default what is free, at most 13 GB */
  readonly ramBudget?: number | string;
  /** GPU memory that a stage may take. @default what is free on the GPU, at most 15 GB */
  readonly vramBudget?: number | string;
  /** `colab`: budgets of a free Colab machine; `machine`: all that is free here. */
  readonly budget?: "colab" | "machine";
  /** More models, in the form of models.json. */
  readonly modelsFile?: string;
  /** For the Hub. @default HF_TOKEN or the file that `if-gen login` writes */
  readonly token?: string;
  /** Fetch what is missing of a model. @default true */
  readonly download?: boolean;
  /** Ends the run; its `reason` is then thrown. */
  readonly signal?: AbortSignal;
  /** Events of steps carry the predicted image after every so many steps. @default never */
  readonly previewEvery?: number;
  /** Keep finished stages there, so that a run with the same options can go on after any end. */
  readonly runDir?: string;
  /** Go on with what is in `runDir`. @default false */
  readonly resume?: boolean;
  /** Write T5's embeddings of the first drawing there, as `promptEmbeds` takes them; the file must not exist. */
  readonly saveEmbeds?: string;
  /** A folder for the sample after each step of each stage, as safetensors. @default they are not kept */
  readonly saveLatents?: string;
}

export interface Image {
  readonly width: number;
  readonly height: number;
  /** A PNG file's bytes; its `parameters` text says how it was made. */
  readonly png: Uint8Array;
  /** RGB, 8 bits each, row by row. */
  readonly pixels: Uint8Array;
}

export interface Drawing {
  readonly images: readonly Image[];
  readonly seed: number;
  /** Seconds per stage of the plan that drew it; drawings of one plan share them. */
  readonly timings: Readonly<Partial<Record<StageName, number>>>;
  /** What a user should know, in order. */
  readonly notes: readonly string[];
  /** What the safety checker said, one entry per image, if the model has one. */
  readonly safety?: SafetyReport;
  readonly plan: Plan;
}

/** Awaited, it gives the result; iterated, the events on the way. */
export type Run<Result> = Handle<Result, RunEvent>;

/**
 * Draws images from text. With several options, those that share their settings share networks: each is opened once.
 * @throws {IfGenError} with `code` and `exitCode`; the message is a sentence that says what to do.
 */
export function txt2img(options: Txt2imgOptions, settings?: Settings): Run<Drawing>;
export function txt2img(options: readonly Txt2imgOptions[], settings?: Settings): Run<Drawing[]>;
export function txt2img(options: OneOrMany<Txt2imgOptions>, settings?: Settings): Run<Drawing | Drawing[]> {
  return draw("txt2img", options, settings);
}

/** Redraws an image as the text says. As {@link txt2img}. */
export function img2img(options: Img2imgOptions, settings?: Settings): Run<Drawing>;
export function img2img(options: readonly Img2imgOptions[], settings?: Settings): Run<Drawing[]>;
export function img2img(options: OneOrMany<Img2imgOptions>, settings?: Settings): Run<Drawing | Drawing[]> {
  return draw("img2img", options, settings);
}

/** Repaints a part of an image as the text says. As {@link txt2img}. */
export function inpaint(options: InpaintOptions, settings?: Settings): Run<Drawing>;
export function inpaint(options: readonly InpaintOptions[], settings?: Settings): Run<Drawing[]>;
export function inpaint(options: OneOrMany<InpaintOptions>, settings?: Settings): Run<Drawing | Drawing[]> {
  return draw("inpaint", options, settings);
}

/** Redraws an image in a style that is said in words. As {@link txt2img}. */
export function style(options: StyleOptions, settings?: Settings): Run<Drawing>;
export function style(options: readonly StyleOptions[], settings?: Settings): Run<Drawing[]>;
export function style(options: OneOrMany<StyleOptions>, settings?: Settings): Run<Drawing | Drawing[]> {
  return draw("style", options, settings);
}

/** Enlarges an image with stage 2, the x4 upscaler or both, in tiles if it is large. As {@link txt2img}. */
export function upscale(options: UpscaleOptions, settings?: Settings): Run<Drawing>;
export function upscale(options: readonly UpscaleOptions[], settings?: Settings): Run<Drawing[]>;
export function upscale(options: OneOrMany<UpscaleOptions>, settings?: Settings): Run<Drawing | Drawing[]> {
  return draw("upscale", options, settings);
}

export interface PlannedRun {
  readonly plan: Plan;
  /** What each stage is predicted to take, and whether it fits. */
  readonly needs: readonly StageNeed[];
  readonly limits: Limits;
  /** Do all stages fit? */
  readonly fits: boolean;
}

/**
 * Makes the plans that drawing would follow, and draws nothing. What they start from tells what they are: a style is
 * style's, a mask inpaint's, an image img2img's; `command: "upscale"` says that it is enlarged.
 * @returns one plan for all options that can share networks.
 */
export async function plan(options: OneOrMany<PlannedOptions>, settings: Settings = {}): Promise<PlannedRun[]> {
  return withLibraryWords(() => planAll(options, settings));
}

/** `command` tells an upscale, which starts from an image as img2img does. */
export type PlannedOptions =
  Txt2imgOptions | Img2imgOptions | InpaintOptions | StyleOptions | (UpscaleOptions & { readonly command: "upscale" });

async function planAll(options: OneOrMany<PlannedOptions>, settings: Settings): Promise<PlannedRun[]> {
  checkSettings(settings);
  const requests = listOf(options).map(plannedRequest);
  const plans = await completePlans(requests, { ...runSettings(settings), download: settings.download ?? false });
  return plans.map(({ plan: made, needs, limits }) => ({
    plan: inWordsOfLibrary(made),
    needs,
    limits,
    fits: needs.every(({ verdict }) => verdict !== "too large"),
  }));
}

export interface PullOptions extends Pick<Settings, "modelsFile" | "token" | "signal"> {
  readonly variant?: "fp32" | "fp16" | "8bit";
  /** Branch, tag or commit of all its repositories. @default what is pinned */
  readonly revision?: string;
  /** Only what an image of so many pixels needs. @default 1024 */
  readonly until?: Side;
}

export const models = {
  /** @returns what there is, how large it is, what of it is here, and whether it fits this machine. Asks no server. */
  async list({ modelsFile }: Pick<Settings, "modelsFile"> = {}): Promise<ModelStatus[]> {
    const context = readHubContext(modelsFile);
    const sources = await readStatusSources(context);
    const cascades = [...context.manifest.cascades.values()];
    return Promise.all(cascades.map(async (cascade) => modelStatus(await readCascadeStatus(cascade, sources))));
  },
  /** @throws {CheckpointError} there is no such model. */
  async show(name: string, { modelsFile }: Pick<Settings, "modelsFile"> = {}): Promise<ModelStatus> {
    const context = readHubContext(modelsFile);
    return modelStatus(await readCascadeStatus(findCascade(name, context.manifest), await readStatusSources(context)));
  },
  /** Fetches what is missing of a model and checks it; its result are the folders of its repositories. */
  pull(name: string, options: PullOptions = {}): Handle<string[], { repo: string; event: DownloadEvent }> {
    const { modelsFile, token, variant, revision, until = sides.at(-1)!, signal } = options;
    return createHandle((onEvent) =>
      withLibraryWords(async () => {
        const context = readHubContext(modelsFile, token);
        const pull = await planModelPull(name, context, { variant, revision, until, signal });
        return pullModelFiles(pull, context, (repo, event) => onEvent({ repo, event }), signal);
      }),
    );
  },
};

type OneOrMany<T> = T | readonly T[];

const listOf = <T>(options: OneOrMany<T>): readonly T[] =>
  (Array.isArray(options) ? options : [options]) as readonly T[];

function plannedRequest(options: PlannedOptions): Request {
  const { command, ...rest } = Object(options) as Partial<Record<"command", unknown>>;
  return command === "upscale" ? requestFromOptions(command, rest) : requestFromOptions(commandOf(options), options);
}

function commandOf(options: unknown): CommandName {
  const names = Object.keys(Object(options) as object);
  if (names.includes("style")) return "style";
  return maskOptionNames.some((name) => names.includes(name))
    ? "inpaint"
    : names.includes("image")
      ? "img2img"
      : "txt2img";
}

/** One for each, so that results of one plan still share it. */
const renamedPlans = new WeakMap<Plan, Plan>();

function inWordsOfLibrary(made: Plan): Plan {
  const renamed = renamedPlans.get(made) ?? { ...made, notes: made.notes.map(inLibraryWords) };
  renamedPlans.set(made, renamed);
  return renamed;
}

function eventOfLibrary(event: RunEvent): RunEvent {
  if (event.type === "note") return { ...event, text: inLibraryWords(event.text) };
  return event.type === "plan" ? { ...event, plan: inWordsOfLibrary(event.plan) } : event;
}

function draw(
  command: CommandName,
  options: OneOrMany<Txt2imgOptions | UpscaleOptions>,
  settings: Settings = {},
): Run<Drawing | Drawing[]> {
  return createHandle((onEvent) => withLibraryWords(() => drawAll(command, options, settings, onEvent)));
}

async function drawAll(
  command: CommandName,
  options: OneOrMany<Txt2imgOptions | UpscaleOptions>,
  settings: Settings,
  onEvent: (event: RunEvent) => void,
): Promise<Drawing | Drawing[]> {
  checkSettings(settings);
  const requests = listOf(options).map((one) => requestFromOptions(command, one));
  const { runDir, resume, previewEvery, saveEmbeds, saveLatents } = settings;
  const jobs = await drawRequests(requests, {
    ...runSettings(settings),
    onEvent: (event) => onEvent(eventOfLibrary(event)),
    runDir,
    resume,
    previewEvery,
    saveEmbeds,
    saveLatents,
    pixels: true,
  });
  const drawings = jobs.map(drawingOf);
  return Array.isArray(options) ? drawings : drawings[0]!;
}

function runSettings({ ramBudget, vramBudget, budget, modelsFile, token, download, signal }: Settings): RunSettings {
  return {
    modelsFile,
    token,
    download: download ?? true,
    budgets: { ram: bytesOf(ramBudget), vram: bytesOf(vramBudget), budget },
    signal,
  };
}

function drawingOf({ request, plan: made, images, stageMs, notes, safety }: DrawnJob): Drawing {
  return {
    images: images.map(({ width, height, png, pixels }) => ({ width, height, png: png!, pixels: pixels! })),
    seed: request.seed,
    timings: Object.fromEntries([...stageMs].map(([name, milliseconds]) => [name, milliseconds / 1000])),
    notes: notes.map(inLibraryWords),
    ...(safety ? { safety } : {}),
    plan: inWordsOfLibrary(made),
  };
}
