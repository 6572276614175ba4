/**
 * @module run/draw
 * Requests -> images: plan them, run each plan in a folder of its own, bring the results where they belong. Prints nothing.
 */

import { mkdir, readFile, rm } from "node:fs/promises";
import { IfGenError, OutputError, UsageError, whyNotWritten } from "../errors.ts";
import { runPlan } from "../executor/executor.ts";
import type { SafetyReport } from "../executor/protocol.ts";
import { createReadAhead, createReadOwn } from "../executor/read-ahead.ts";
import { RunFolder, jobFolder } from "../executor/run-folder.ts";
import { draftFolderIn, sweepDrafts } from "../files/draft.ts";
import { temporaryFolder } from "../machine/folders.ts";
import { checkBudget } from "../memory/budget.ts";
import { type Plan, type Stage, lastImageStage } from "../plan/plan.ts";
import type { Request } from "../plan/request.ts";
import type { StageName } from "../plan/stages.ts";
import { type CompletePlan, completePlans } from "./complete-plans.ts";
import type { RunEvent } from "./events.ts";
import type { RunSettings } from "./settings.ts";
import { latentsIn, makeLatentsFolder } from "./save-latents.ts";
import { checkSavesEmbeds, saveEmbeds } from "./save-embeds.ts";
import { settingsTexts } from "./metadata/settings-text.ts";
import { placeImage } from "./place-image.ts";
import { imageFile, imagesOf, pixelFile, readSafetyReport, saveStages } from "./stage-images.ts";

export interface DrawSettings extends PlacedSettings {
  /** Keep finished stages there, so that the run can go on after any end. For requests that share one plan. */
  readonly runDir?: string | undefined;
  /** Go on with what is in `runDir`. */
  readonly resume?: boolean | undefined;
}

/** What is drawn of each request, and where it goes. */
export interface PlacedSettings extends RunSettings {
  /** Where each request's images go, checked by run/outputs; absent: they are returned as bytes. */
  readonly outputs?: readonly (readonly string[])[] | undefined;
  /** Replace files that exist? @default false */
  readonly overwrite?: boolean | undefined;
  /** Copy each stage's tensors and images of the first request there; exists. */
  readonly saveStages?: string | undefined;
  /** Write the embeddings of the first request there. */
  readonly saveEmbeds?: string | undefined;
  /** A folder: each step's sample of each stage is kept there as a safetensors file. */
  readonly saveLatents?: string | undefined;
  /** Send a preview after every so many steps. @default none */
  readonly previewEvery?: number | undefined;
  /** Return pixels beside the PNG's bytes? */
  readonly pixels?: boolean | undefined;
  /** A request's images are where they belong. Awaited. */
  readonly onDrawn?: ((job: number, drawn: DrawnJob) => Promise<void>) | undefined;
}

/** A folder in which finished stages are kept. */
export interface KeptFolder {
  readonly path: string;
  /** Go on with what is in it. */
  readonly resume: boolean;
}

export interface DrawnImage {
  readonly width: number;
  readonly height: number;
  /** Where it was written, if a place was given. */
  readonly path?: string;
  /** The file's bytes, if no place was given. */
  readonly png?: Uint8Array;
  /** RGB, 8 bits each, row by row, if asked for. */
  readonly pixels?: Uint8Array;
}

export interface DrawnJob {
  readonly request: Request;
  readonly plan: Plan;
  readonly images: readonly DrawnImage[];
  /** One entry per image, if they were looked at. */
  readonly safety?: SafetyReport;
  /**
   * Milliseconds per stage of the plan that drew it, loading included, complete when the plan is; 0: an earlier run had
   * finished it.
   */
  readonly stageMs: ReadonlyMap<StageName, number>;
  /** What was noted of its plan and of itself, in order. */
  readonly notes: readonly string[];
}

/**
 * @returns what was drawn, one entry per request, in their order.
 * @throws {IfGenError} whatever keeps an image from being drawn; nothing is left behind but `runDir`.
 */
export async function drawRequests(requests: readonly Request[], settings: DrawSettings): Promise<DrawnJob[]> {
  if (settings.saveEmbeds !== undefined) requests.slice(0, 1).forEach(checkSavesEmbeds);
  const plans = await completePlans(requests, settings);
  if (settings.runDir !== undefined && plans.length > 1) {
    throw new UsageError(
      `${settings.runDir}: a run folder holds one plan, but these jobs make ${plans.length}; draw those that differ in more ` +
        "than prompt, seed and start image apart, each with a folder of its own.",
    );
  }
  for (const { plan, needs, limits } of plans) checkBudget(needs, limits, plan);
  const { runDir, resume = false, saveLatents, overwrite = false } = settings;
  if (saveLatents !== undefined) await makeLatentsFolder(saveLatents, overwrite || resume);
  const drawn: DrawnJob[] = [];
  for (const complete of plans) {
    const kept = runDir === undefined ? undefined : { path: runDir, resume };
    for (const [job, one] of await drawPlan(complete, kept, settings)) drawn[job] = one;
  }
  return drawn;
}

/**
 * Draws the jobs of one plan.
 * @param kept absent: nothing is kept of a run that ends early.
 * @returns what was drawn, by the requests' places; a job that failed is not in it, if `onFailed` was told of it.
 * @throws {IfGenError} as drawRequests.
 */
export function drawPlan(
  complete: CompletePlan,
  kept: KeptFolder | undefined,
  settings: PlacedSettings,
): Promise<ReadonlyMap<number, DrawnJob>> {
  return withRunFolder(complete, kept, (folder, runFolder) => drawIn(folder, runFolder, complete, settings));
}

async function drawIn(
  folder: string,
  runFolder: RunFolder | undefined,
  complete: CompletePlan,
  settings: PlacedSettings,
): Promise<ReadonlyMap<number, DrawnJob>> {
  const { plan, needs, limits, jobs } = complete;
  const onEvent = settings.onEvent ?? (() => undefined);
  const notes = createNotes(plan, jobs, onEvent);
  onEvent({ type: "plan", plan, needs, limits, jobs });
  notes.announce();
  const { saveStages: saved, pixels = false } = settings;
  const placeOf = (index: number): number => jobs[index] ?? 0;
  const texts = await settingsTexts(complete.requests, plan);
  const outputs = jobs.map((job, index) => ({
    folder: jobFolder(folder, index),
    pixels,
    allStages: job === 0 && saved !== undefined,
    settings: texts[index] ?? "",
  }));
  const stageMs = new Map<StageName, number>();
  const drawn = new Map<number, DrawnJob>();
  const finishJob = async (index: number): Promise<void> => {
    const job = placeOf(index);
    try {
      const results = await bringResults(jobFolder(folder, index), job, complete, settings);
      const one = { request: complete.requests[index]!, plan, ...results, stageMs, notes: notes.forJob(index) };
      drawn.set(job, one);
      await settings.onDrawn?.(job, one);
    } catch (error) {
      if (!settings.onFailed || !(error instanceof IfGenError) || isDiskFailure(error)) throw error;
      settings.onFailed(job, error);
      return;
    }
    onEvent({ type: "job", job });
  };
  await runPlan(plan, {
    folder,
    runFolder,
    imagesOf: (stage: Stage, job: number) => imagesOf(stage, plan, job, outputs[job]!),
    signal: settings.signal,
    budgetBytes: limits.ramBytes,
    gpuBudgetBytes: limits.vramBytes,
    readAhead: createReadAhead(plan, needs, limits),
    readOwn: createReadOwn(plan, needs, limits),
    keeping: settings.keptStages?.forPlan(plan, needs, limits),
    latentsOf: latentsIn(settings.saveLatents, placeOf, complete.plan.jobs.length),
    previewEvery: settings.previewEvery,
    onNote: (text, job) => notes.add(text, job),
    onProgress: ({ jobs: together, ...progress }) =>
      onEvent({
        type: "step",
        ...progress,
        job: placeOf(progress.job),
        ...(together ? { jobs: together.map(placeOf) } : {}),
      }),
    onStageStart: (stage) => onEvent({ type: "stage", stage }),
    onStageEnd: (end) => {
      stageMs.set(end.stage, end.milliseconds);
      onEvent({ type: "stage-end", ...end });
    },
    onJobEnd: finishJob,
  });
  return drawn;
}

/** Every later job would meet it too. */
export const isDiskFailure = ({ cause }: IfGenError): boolean =>
  ["ENOSPC", "EDQUOT", "EROFS", "EIO"].includes((cause as NodeJS.ErrnoException | undefined)?.code ?? "");

/** Brings what lies in a job's folder where it belongs. */
async function bringResults(
  folder: string,
  job: number,
  { plan, jobs }: CompletePlan,
  { outputs, saveStages: saved, saveEmbeds: embeds, overwrite = false, pixels = false }: PlacedSettings,
): Promise<Pick<DrawnJob, "images" | "safety">> {
  const paths = outputs?.[job];
  const planJob = jobs.indexOf(job);
  for (const [image, path] of (paths ?? []).entries()) await placeImage(imageFile(folder, image), path, overwrite);
  if (job === 0 && saved !== undefined) await saveStages(folder, saved, plan, overwrite);
  if (job === 0 && embeds !== undefined) await saveEmbeds(folder, embeds, plan, planJob, overwrite);
  const safety = await readSafetyReport(folder, plan);
  return { images: await readImages(folder, plan, paths, pixels), ...(safety ? { safety } : {}) };
}

async function readImages(
  folder: string,
  plan: Plan,
  paths: readonly string[] | undefined,
  pixels: boolean,
): Promise<DrawnImage[]> {
  const { width, height } = lastImageStage(plan);
  const images: DrawnImage[] = [];
  for (let index = 0; index < plan.numImages; index++) {
    const path = paths?.[index];
    images.push({
      width,
      height,
      ...(path === undefined ? { png: await readFile(imageFile(folder, index)) } : { path }),
      ...(pixels ? { pixels: await readFile(pixelFile(folder, index)) } : {}),
    });
  }
  return images;
}

/** Notes of the plan are every job's; those of a job are its own. */
function createNotes(plan: Plan, jobs: readonly number[], onEvent: (event: RunEvent) => void) {
  const added: { text: string; job: number | undefined }[] = [];
  return {
    announce: () => plan.notes.forEach((text) => onEvent({ type: "note", text })),
    add(text: string, job?: number): void {
      added.push({ text, job });
      const place = job === undefined ? undefined : jobs[job];
      onEvent({ type: "note", text, ...(place === undefined ? {} : { job: place }) });
    },
    forJob: (job: number): string[] => [
      ...plan.notes,
      ...added.filter((note) => note.job === undefined || note.job === job).map(({ text }) => text),
    ],
  };
}

/** The kept folder, or a temporary one that is removed whatever happens. */
async function withRunFolder<T>(
  { plan, requests }: CompletePlan,
  kept: KeptFolder | undefined,
  use: (folder: string, runFolder: RunFolder | undefined) => Promise<T>,
): Promise<T> {
  if (kept !== undefined) {
    const runFolder = await RunFolder.open(kept.path, plan, requests, kept);
    try {
      const folders = [runFolder.path, ...requests.map((_, job) => jobFolder(runFolder.path, job))];
      await Promise.all(folders.map(sweepDrafts));
      return await use(runFolder.path, runFolder);
    } finally {
      await runFolder.close();
    }
  }
  const folder = await makeTemporaryFolder();
  try {
    return await use(folder, undefined);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What killed runs have left there is swept first. */
async function makeTemporaryFolder(): Promise<string> {
  const parent = temporaryFolder();
  await sweepDrafts(parent);
  const folder = draftFolderIn(parent);
  try {
    await mkdir(folder, { mode: 0o700 });
    return folder;
  } catch (cause) {
    throw new OutputError(
      `no folder for intermediate files can be made in ${parent} (${whyNotWritten(cause)}): set TMPDIR to a writable one.`,
      { cause },
    );
  }
}
