/**
 * @module run/batch/draw-chunk
 * Draws the jobs of one chunk, stage by stage. A job that cannot be planned, drawn or placed fails alone: what ends a stage's
 * process is narrowed down to the job that does it.
 */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { IfGenError } from "../../errors.ts";
import { readRunRecord } from "../../executor/run-folder.ts";
import { checkBudget } from "../../memory/budget.ts";
import type { Request } from "../../plan/request.ts";
import { type CompletePlan, completePlans } from "../complete-plans.ts";
import { type DrawnJob, drawPlan, isDiskFailure } from "../draw.ts";
import type { RunEvent } from "../events.ts";
import { groupBy } from "../group-requests.ts";
import { makeFolder } from "../outputs.ts";
import type { RunSettings } from "../settings.ts";
import type { BatchFolder } from "./batch-folder.ts";
import type { BatchJob } from "./batch-jobs.ts";
import { workKey } from "./output-names.ts";

export interface ChunkSettings extends Omit<RunSettings, "onFailed" | "resumedLowMemory" | "onEvent"> {
  readonly folder: Pick<BatchFolder, "path" | "workFolder">;
  readonly chunk: number;
  readonly overwrite: boolean;
  /** Removes from an output folder what killed processes have left there. */
  readonly sweep: (folder: string) => Promise<void>;
  /** The request as the worker's device draws it. */
  readonly onDevice: (request: Request) => Request;
  readonly onEvent: (event: RunEvent) => void;
  readonly onDrawn: (job: BatchJob, drawn: DrawnJob) => Promise<void>;
  readonly onFailed: (job: BatchJob, error: IfGenError) => Promise<void>;
}

/** @throws {IfGenError} what would keep all later jobs from being drawn too: an interrupt, a full disk. */
export async function drawChunk(jobs: readonly BatchJob[], settings: ChunkSettings): Promise<void> {
  for (const group of groupBy(jobs, ({ lowMemory }) => JSON.stringify(lowMemory))) await drawGroup(group, settings);
}

/** @param jobs all drawn again under the same low-memory modes, or under those that fit. */
async function drawGroup(jobs: readonly BatchJob[], settings: ChunkSettings): Promise<void> {
  const failures: Failures = [];
  const { folder, chunk } = settings;
  const keysOf = (requests: readonly Request[]): string[] => requests.map(workKey);
  const resumedLowMemory = async (requests: readonly Request[]) =>
    (await readRunRecord(folder.workFolder(chunk, keysOf(requests))))?.lowMemory ?? jobs[0]?.lowMemory;
  const tell = async (failed: Failures): Promise<void> => {
    for (const { job, error } of failed) if (!job.isDrawn) await settings.onFailed(job, error); // its images are there
  };
  const onFailed = (job: number, error: IfGenError): void => void failures.push({ job: jobs[job]!, error });
  const requests = jobs.map(({ request }) => settings.onDevice(request));
  const onEvent = (event: RunEvent): void => settings.onEvent(renumbered(event, (job) => jobs[job]));
  const plans = await completePlans(requests, { ...settings, resumedLowMemory, onFailed, onEvent });
  await tell(failures.splice(0));
  for (const complete of plans) {
    const ofPlan = complete.jobs.map((job) => jobs[job]!);
    const path = folder.workFolder(chunk, keysOf(complete.requests));
    await drawOrNarrow(ofPlan, complete, path, settings, failures);
    await tell(failures.splice(0));
  }
}

/** Events count jobs as they were given; the batch's numbers are told. */
function renumbered(event: RunEvent, jobOf: (place: number) => BatchJob | undefined): RunEvent {
  if (!("job" in event) || event.job === undefined) return event;
  const numberOf = (place: number): number => jobOf(place)?.index ?? 0;
  const job = numberOf(event.job);
  return "jobs" in event && event.jobs ? { ...event, job, jobs: event.jobs.map(numberOf) } : { ...event, job };
}

type Failures = { job: BatchJob; error: IfGenError }[];

async function drawOrNarrow(
  jobs: readonly BatchJob[],
  complete: CompletePlan,
  path: string,
  settings: ChunkSettings,
  failures: Failures,
): Promise<void> {
  const ended = new Set<BatchJob>();
  const fail = (job: BatchJob, error: IfGenError): void => {
    ended.add(job);
    failures.push({ job, error });
  };
  try {
    checkBudget(complete.needs, complete.limits, complete.plan);
    await drawJobs(jobs, complete, path, settings, { fail, ended });
  } catch (error) {
    if (!concernsJobs(error, settings)) throw error;
    const left = jobs.filter((job) => !ended.has(job));
    if (left.length <= 1 || error.code === "MEMORY_BUDGET") for (const job of left) fail(job, error);
    else await narrow(left, error, settings, failures);
  }
}

/** Ends of all the run are thrown on; so are mistakes of the program. */
const concernsJobs = (error: unknown, { signal }: ChunkSettings): error is IfGenError =>
  error instanceof IfGenError && !signal?.aborted && !isDiskFailure(error) && !endings.includes(error.code);
const endings: readonly string[] = ["INTERRUPTED", "TERMINATED", "HANGUP", "QUIT"];

/** Two jobs alone tell whether it is the machine that fails; else it is somewhere in one half. */
async function narrow(
  left: readonly BatchJob[],
  error: IfGenError,
  settings: ChunkSettings,
  failures: Failures,
): Promise<void> {
  const [first, ...others] = left;
  const last = others.pop();
  const failed = async (jobs: readonly BatchJob[]): Promise<number> => {
    const before = failures.length;
    await drawAgain(jobs, settings, failures);
    return failures.length - before;
  };
  const atEnds = (await failed([first!])) + (last ? await failed([last]) : 0);
  if (last && atEnds === 2) for (const job of others) failures.push({ job, error });
  else if (others.length > 0) {
    const half = Math.ceil(others.length / 2);
    await drawAgain(others.slice(0, half), settings, failures);
    if (half < others.length) await drawAgain(others.slice(half), settings, failures);
  }
}

async function drawAgain(jobs: readonly BatchJob[], settings: ChunkSettings, failures: Failures): Promise<void> {
  await drawChunk(jobs, {
    ...settings,
    onFailed: async (job, error) => void failures.push({ job, error }),
  });
}

async function drawJobs(
  jobs: readonly BatchJob[],
  complete: CompletePlan,
  path: string,
  { folder, overwrite, sweep, onDrawn, ...settings }: ChunkSettings,
  { fail, ended }: { fail: (job: BatchJob, error: IfGenError) => void; ended: Set<BatchJob> },
): Promise<void> {
  const placeOf = new Map(complete.jobs.map((job, index) => [job, jobs[index]!]));
  const outputs: string[][] = [];
  for (const [job, { files, isDrawn }] of placeOf) {
    outputs[job] = isDrawn ? [] : files.map((file) => join(folder.path, file)); // what is there stays as it is
    for (const folder of new Set(outputs[job]!.map((path) => dirname(path)))) {
      await makeFolder(folder);
      await sweep(folder);
    }
  }
  await drawPlan(
    complete,
    { path, resume: existsSync(path) },
    {
      ...settings,
      outputs,
      overwrite,
      onEvent: (event) => settings.onEvent(renumbered(event, (job) => placeOf.get(job))),
      onDrawn: async (job, drawn) => {
        const drawnJob = placeOf.get(job)!;
        ended.add(drawnJob);
        if (!drawnJob.isDrawn) await onDrawn(drawnJob, drawn);
      },
      onFailed: (job, error) => fail(placeOf.get(job)!, error),
    },
  );
}
