/**
 * @module run/draw
 * Requests -> images: plan them, run each plan in a folder of its own, bring the results where they belong. Prints nothing.
 */

import { mkdir, readFile, rm } from "node:fs/promises";
import { OutputError, UsageError, whyNotWritten } from "../errors.ts";
import { runPlan } from "../executor/executor.ts";
import type { SafetyReport } from "../executor/protocol.ts";
import { createReadAhead, createReadOwn } from "../executor/read-ahead.ts";
import { RunFolder, jobFolder } from "../executor/run-folder.ts";
import { draftFolderIn, sweepDrafts } from "../files/draft.ts";
import { temporaryFolder } from "../machine/folders.ts";
import { checkBudget } from "../memory/budget.ts";
import { type Plan, type Stage, lastDiffusionStage } from "../plan/plan.ts";
import type { Request } from "../plan/request.ts";
import type { StageName } from "../plan/stages.ts";
import { type CompletePlan, completePlans } from "./complete-plans.ts";
import type { RunEvent } from "./events.ts";
import type { RunSettings } from "./settings.ts";
import { placeImage } from "./place-image.ts";
import { imageFile, imagesOf, pixelFile, readSafetyReport, saveStages } from "./stage-images.ts";

export interface DrawSettings extends RunSettings {
  /** Where each request's images go, checked by run/outputs; absent: they are returned as bytes. */
  readonly outputs?: readonly (readonly string[])[] | undefined;
  /** Replace files that exist? @default false */
  readonly overwrite?: boolean | undefined;
  /** Keep finished stages there, so that the run can go on after any end. For requests that share one plan. */
  readonly runDir?: string | undefined;
  /** Go on with what is in `runDir`. */
  readonly resume?: boolean | undefined;
  /** Copy each stage's tensors and images of the first request there; exists. */
  readonly saveStages?: string | undefined;
  /** Send a preview after every so many steps. @default none */
  readonly previewEvery?: number | undefined;
  /** Return pixels beside the PNG's bytes? */
  readonly pixels?: boolean | undefined;
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
  /** Milliseconds per stage of the plan that drew it, loading included; 0: an earlier run had finished it. */
  readonly stageMs: ReadonlyMap<StageName, number>;
  /** What was noted of its plan and of itself, in order. */
  readonly notes: readonly string[];
}

/**
 * @returns what was drawn, one entry per request, in their order.
 * @throws {IfGenError} whatever keeps an image from being drawn; nothing is left behind but `runDir`.
 */
export async function drawRequests(requests: readonly Request[], settings: DrawSettings): Promise<DrawnJob[]> {
  const plans = await completePlans(requests, settings);
  if (settings.runDir !== undefined && plans.length > 1) {
    throw new UsageError(
      `${settings.runDir}: a run folder holds one plan, but these jobs make ${plans.length}; draw those that differ in more ` +
        "than prompt, seed and start image apart, each with a folder of its own.",
    );
  }
  for (const { plan, needs, limits } of plans) checkBudget(needs, limits, plan);
  const drawn: DrawnJob[] = [];
  for (const complete of plans) {
    const jobs = await withRunFolder(complete, settings, (folder, runFolder) =>
      drawPlan(complete, folder, runFolder, settings),
    );
    jobs.forEach((job, index) => (drawn[complete.jobs[index] ?? 0] = job));
  }
  return drawn;
}

async function drawPlan(
  complete: CompletePlan,
  folder: string,
  runFolder: RunFolder | undefined,
  settings: DrawSettings,
): Promise<DrawnJob[]> {
  const { plan, needs, limits, requests, jobs } = complete;
  const onEvent = settings.onEvent ?? (() => undefined);
  const notes = createNotes(plan, jobs, onEvent);
  onEvent({ type: "plan", plan, needs, limits, jobs });
  notes.announce();
  const { saveStages: saved, pixels = false, overwrite = false } = settings;
  const outputs = jobs.map((job, index) => ({
    folder: jobFolder(folder, index),
    pixels,
    allStages: job === 0 && saved !== undefined,
  }));
  const stageMs = await runPlan(plan, {
    folder,
    runFolder,
    imagesOf: (stage: Stage, job: number) => imagesOf(stage, plan, job, outputs[job]!),
    signal: settings.signal,
    budgetBytes: limits.ramBytes,
    gpuBudgetBytes: limits.vramBytes,
    readAhead: createReadAhead(plan, needs, limits),
    readOwn: createReadOwn(plan, needs, limits),
    previewEvery: settings.previewEvery,
    onNote: (text, job) => notes.add(text, job),
    onProgress: (progress) => onEvent({ type: "step", ...progress, job: jobs[progress.job] ?? 0 }),
    onStageStart: (stage) => onEvent({ type: "stage", stage }),
    onStageEnd: (end) => onEvent({ type: "stage-end", ...end }),
    onJobEnd: (job) => onEvent({ type: "job", job: jobs[job] ?? 0 }),
  });
  const drawn: DrawnJob[] = [];
  for (const [index, request] of requests.entries()) {
    const ownFolder = jobFolder(folder, index);
    const job = jobs[index] ?? 0;
    const paths = settings.outputs?.[job];
    for (const [image, path] of (paths ?? []).entries()) await placeImage(imageFile(ownFolder, image), path, overwrite);
    if (job === 0 && saved !== undefined) await saveStages(ownFolder, saved, plan, overwrite);
    const safety = await readSafetyReport(ownFolder, plan);
    drawn.push({
      request,
      plan,
      images: await readImages(ownFolder, plan, paths, pixels),
      ...(safety ? { safety } : {}),
      stageMs,
      notes: notes.of(index),
    });
  }
  return drawn;
}

async function readImages(
  folder: string,
  plan: Plan,
  paths: readonly string[] | undefined,
  pixels: boolean,
): Promise<DrawnImage[]> {
  const { width, height } = lastDiffusionStage(plan);
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
    of: (job: number): string[] => [
      ...plan.notes,
      ...added.filter((note) => note.job === undefined || note.job === job).map(({ text }) => text),
    ],
  };
}

/** `runDir`, or a temporary folder that is removed whatever happens. */
async function withRunFolder<T>(
  { plan, requests }: CompletePlan,
  { runDir, resume = false }: DrawSettings,
  use: (folder: string, runFolder: RunFolder | undefined) => Promise<T>,
): Promise<T> {
  if (runDir !== undefined) {
    const runFolder = await RunFolder.open(runDir, plan, requests, { resume });
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
