/**
 * @module executor/executor
 * Runs a plan, stage after stage, each over all jobs in a process of its own: when it ends the operating system has all its
 * memory back, a crash costs one stage, and the parent stays responsive meanwhile.
 */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Plan, Stage } from "../plan/plan.ts";
import { type StageName, describeStage } from "../plan/stages.ts";
import { runOrFallBack } from "./fall-back.ts";
import { type JobImages, SAFETY_REPORT_FILE, type StageTask, type TaskJob } from "./protocol.ts";
import type { ReadAhead, ReadOwn } from "./read-ahead.ts";
import { type RunFolder, jobFolder } from "./run-folder.ts";
import { type StagePeaks, type StageProcessOptions, type StageProgress, runStageProcess } from "./stage-process.ts";

export type { StageProgress } from "./stage-process.ts";

export interface RunOptions extends Omit<StageProcessOptions, "onFinished"> {
  /** Where the jobs' folders go; exists. */
  readonly folder: string;
  /** The images that a stage shall draw of a job. */
  readonly imagesOf: (stage: Stage, job: number) => JobImages | undefined;
  /** Keeps what is finished; stages it has are not run again. Its path is `folder`. */
  readonly runFolder?: RunFolder | undefined;
  readonly onStageStart?: (stage: StageName) => void;
  readonly onStageEnd?: (end: StageEnd) => void;
  /** A job's images are written. */
  readonly onJobEnd?: (job: number) => void;
  /** Brings the next stage's weights into the page cache; ended with the stage beside which it reads. */
  readonly readAhead?: ReadAhead;
  /** Brings a stage's own weights there, for a GPU. */
  readonly readOwn?: ReadOwn;
  /** Send a preview after every so many steps; absent: none. */
  readonly previewEvery?: number | undefined;
}

export interface StageEnd {
  readonly stage: StageName;
  readonly milliseconds: number;
  /** Absent when the stage was finished in an earlier run. */
  readonly peaks?: StagePeaks;
}

/** How long each stage took, loading included. */
export type StageTimes = ReadonlyMap<StageName, number>;

/**
 * @returns milliseconds per stage; the results are files in the jobs' folders.
 * @throws {StageError} a child ended badly: which stage, which signal or exit code.
 * @throws {IfGenError} what the stage itself threw.
 */
export async function runPlan(plan: Plan, options: RunOptions): Promise<StageTimes> {
  const times = new Map<StageName, number>();
  const generatorStates = new Map<number, string>();
  for (const job of plan.jobs.keys()) await mkdir(jobFolder(options.folder, job), { recursive: true });
  for (const [index, stage] of plan.stages.entries()) {
    options.signal?.throwIfAborted();
    const start = performance.now();
    const pending = await pendingJobs(plan, index, generatorStates, options);
    options.onStageStart?.(stage.name);
    const peaks = pending.length === 0 ? undefined : await runStage(plan, index, pending, generatorStates, options);
    const milliseconds = peaks ? performance.now() - start : 0;
    times.set(stage.name, milliseconds);
    options.onStageEnd?.({ stage: stage.name, milliseconds, ...(peaks ? { peaks } : {}) });
    if (index === plan.stages.length - 1) plan.jobs.forEach((_, job) => options.onJobEnd?.(job));
  }
  return times;
}

/** The jobs that the stage is to be run for: those that no earlier run has finished, or whose stage before is run anew. */
async function pendingJobs(
  plan: Plan,
  index: number,
  generatorStates: Map<number, string>,
  { runFolder }: RunOptions,
): Promise<number[]> {
  const all = [...plan.jobs.keys()];
  if (!runFolder) return all;
  const pending: number[] = [];
  const later = plan.stages.slice(index).map(({ name }) => name);
  for (const job of all) {
    const finished = await runFolder.finished(plan.stages[index]!.name, job);
    if (finished?.generatorState) generatorStates.set(job, finished.generatorState);
    if (finished) continue;
    await runFolder.forget(job, later);
    pending.push(job);
  }
  return pending;
}

async function runStage(
  plan: Plan,
  index: number,
  pending: readonly number[],
  generatorStates: Map<number, string>,
  options: RunOptions,
): Promise<StagePeaks> {
  const stage = plan.stages[index]!;
  const finished = new Set<number>();
  const task = taskOf(plan, stage, pending, generatorStates, options);
  const onFinished: StageProcessOptions["onFinished"] = async ({ job, generatorState }) => {
    finished.add(job);
    if (generatorState) generatorStates.set(job, generatorState);
    await options.runFolder?.record(stage.name, job, filesWritten(stage, job, options), generatorState);
  };
  return runOrFallBack(
    task,
    plan.provider.requested === "auto",
    (current) => runReadingAhead(current, plan.stages[index + 1], { ...options, onFinished }),
    (job) => finished.has(job),
    options.onNote,
  );
}

/** The next stage's weights are read once the running one has its own: after its first step or, of only one, at once. */
async function runReadingAhead(
  task: StageTask,
  next: Stage | undefined,
  options: RunOptions & StageProcessOptions,
): Promise<StagePeaks> {
  const ended = new AbortController();
  const readingOwn = options.readOwn?.(task.stage, ended.signal);
  let reading: Promise<void> | undefined;
  const onProgress = (progress: StageProgress): void => {
    options.onProgress?.(progress);
    if (next && (progress.step > 0 || progress.steps === 1)) {
      reading ??= options.readAhead?.(task.stage, next, ended.signal);
    }
  };
  try {
    return await runStageProcess(task, { ...options, onProgress });
  } finally {
    ended.abort();
    await Promise.all([readingOwn, reading]);
  }
}

function taskOf(
  plan: Plan,
  stage: Stage,
  pending: readonly number[],
  generatorStates: ReadonlyMap<number, string>,
  { folder, imagesOf, previewEvery }: RunOptions,
): StageTask {
  const { numImages, eta, variant, threads, textEncoder, unet } = plan;
  const executionProvider = plan.gpuStages[stage.name];
  const { deviceId } = plan.provider;
  const jobs = pending.map((index): TaskJob => {
    const generatorState = generatorStates.get(index);
    const images = imagesOf(stage, index);
    return {
      ...plan.jobs[index]!,
      index,
      folder: jobFolder(folder, index),
      ...(generatorState ? { generatorState } : {}),
      ...(images ? { images } : {}),
    };
  });
  return {
    stage,
    numImages,
    eta,
    ...(variant ? { variant } : {}),
    ...(threads ? { threads } : {}),
    ...(textEncoder ? { textEncoder } : {}),
    ...(unet ? { unet } : {}),
    ...(executionProvider ? { executionProvider } : {}),
    ...(executionProvider && deviceId !== undefined ? { deviceId } : {}),
    lowMemory: plan.lowMemory[stage.name] ?? {},
    ...(previewEvery ? { previewEvery } : {}),
    jobs,
  };
}

function filesWritten(stage: Stage, job: number, { folder, imagesOf }: RunOptions): string[] {
  const own = jobFolder(folder, job);
  return [
    ...describeStage(stage.name).files.map((name) => join(own, `${name}.safetensors`)),
    ...(stage.kind === "safety" ? [join(own, SAFETY_REPORT_FILE)] : []),
    ...(imagesOf(stage, job)?.files ?? []).map(({ path }) => path),
  ];
}
