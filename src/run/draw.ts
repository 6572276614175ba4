/**
 * @module run/draw
 * Requests -> images: plan them, run each plan in a folder of its own, bring the results where they belong. Prints nothing.
 */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { OutputError, whyNotWritten } from "../errors.ts";
import { runPlan } from "../executor/executor.ts";
import type { SafetyReport } from "../executor/protocol.ts";
import { createReadAhead, createReadOwn } from "../executor/read-ahead.ts";
import { RunFolder, jobFolder } from "../executor/run-folder.ts";
import { temporaryFolder } from "../machine/folders.ts";
import { checkBudget } from "../memory/budget.ts";
import { type Plan, type Stage, lastDiffusionStage } from "../plan/plan.ts";
import type { Request } from "../plan/request.ts";
import type { StageName } from "../plan/stages.ts";
import { type CompletePlan, completePlans } from "./complete-plans.ts";
import type { RunEvent } from "./events.ts";
import type { RunSettings } from "./settings.ts";
import { type JobOutputs, imagesOf, readSafetyReport, saveStages } from "./stage-images.ts";

export interface DrawSettings extends RunSettings {
  /** Where each request's images go; absent: they are returned as bytes. */
  readonly outputs?: readonly (readonly string[])[] | undefined;
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
  for (const { needs, limits } of plans) checkBudget(needs, limits);
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
  const outputs = jobs.map((job, index) => outputsOf(job, plan, jobFolder(folder, index), settings));
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
    const own = jobFolder(folder, index);
    const { images, pixels, stages } = outputs[index]!;
    if (stages !== undefined) await saveStages(own, stages, plan, images);
    const safety = await readSafetyReport(own, plan);
    drawn.push({
      request,
      plan,
      images: await readImages(images, pixels, plan, settings.outputs !== undefined),
      ...(safety ? { safety } : {}),
      stageMs,
      notes: notes.of(index),
    });
  }
  return drawn;
}

/** Places in the job's own folder are taken where none is given. */
function outputsOf(job: number, plan: Plan, folder: string, settings: DrawSettings): JobOutputs {
  const numbers = Array.from({ length: plan.numImages }, (_, index) => index + 1);
  return {
    images: settings.outputs?.[job] ?? numbers.map((number) => join(folder, `image-${number}.png`)),
    ...(settings.pixels ? { pixels: numbers.map((number) => join(folder, `image-${number}.rgb`)) } : {}),
    ...(job === 0 ? { stages: settings.saveStages } : {}),
  };
}

async function readImages(
  paths: readonly string[],
  pixels: readonly string[] | undefined,
  plan: Plan,
  hasPlace: boolean,
): Promise<DrawnImage[]> {
  const { width, height } = lastDiffusionStage(plan);
  const images: DrawnImage[] = [];
  for (const [index, path] of paths.entries()) {
    const raw = pixels?.[index];
    images.push({
      width,
      height,
      ...(hasPlace ? { path } : { png: await readFile(path) }),
      ...(raw === undefined ? {} : { pixels: await readFile(raw) }),
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
    return use(runFolder.path, runFolder);
  }
  const folder = await makeTemporaryFolder();
  try {
    return await use(folder, undefined);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeTemporaryFolder(): Promise<string> {
  const parent = temporaryFolder();
  try {
    return await mkdtemp(join(parent, "if-gen-"));
  } catch (cause) {
    throw new OutputError(
      `no folder for intermediate files can be made in ${parent} (${whyNotWritten(cause)}): set TMPDIR to a writable one.`,
      { cause },
    );
  }
}
