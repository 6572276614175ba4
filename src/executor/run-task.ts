/**
 * @module executor/run-task
 * One stage's task in a process: one that was kept from an earlier run, one that was started ahead, or a new one. While the
 * stage runs, the next one's weights are read ahead and, where both fit, its process is started.
 */

import { IfGenError } from "../errors.ts";
import type { Plan, Stage } from "../plan/plan.ts";
import type { Ahead } from "./ahead.ts";
import { isStageFailure } from "./fall-back.ts";
import type { StageTask, TaskJob } from "./protocol.ts";
import { jobFolder } from "./run-folder.ts";
import type { RunOptions } from "./run-options.ts";
import {
  type StagePeaks,
  type StageProcess,
  type StageProcessOptions,
  type StageProgress,
  startStageProcess,
} from "./stage-process.ts";

export interface RunState {
  readonly plan: Plan;
  readonly options: RunOptions;
  /** Each job's generator as the last stage left it, base64. */
  readonly generatorStates: Map<number, string>;
  readonly ahead: Ahead;
}

/**
 * A kept process that fails is replaced by a new one for the jobs that it had not finished: somebody may have ended it while
 * it waited, and it may hold more than a new one would.
 */
export async function runTask(
  run: RunState,
  index: number,
  task: StageTask,
  options: StageProcessOptions,
  isFinished: (job: number) => boolean,
): Promise<StagePeaks> {
  const { keeping } = run.options;
  await keeping?.makeRoom(task.stage.name);
  const kept = await keeping?.take(task);
  if (!keeping || !kept) return runInProcess(run, index, task, options);
  try {
    return await runInProcess(run, index, task, options, kept);
  } catch (error) {
    const jobs = task.jobs.filter((job) => !isFinished(job.index));
    if (options.signal?.aborted || !mayBeKepts(error) || jobs.length === 0) throw error;
    await keeping.endAll();
    return runInProcess(run, index, { ...task, jobs }, options);
  }
}

/** May it be the fault of what a process had kept? */
const mayBeKepts = (error: unknown): boolean =>
  isStageFailure(error) || (error instanceof IfGenError && error.code === "MEMORY_BUDGET");

async function runInProcess(
  run: RunState,
  index: number,
  task: StageTask,
  options: StageProcessOptions,
  kept?: StageProcess,
): Promise<StagePeaks> {
  const { readOwn, readAhead, keeping } = run.options;
  const next = run.plan.stages[index + 1];
  const ended = new AbortController();
  const readingOwn = kept ? undefined : readOwn?.(task.stage, ended.signal);
  let reading: Promise<void> | undefined;
  const onProgress = (progress: StageProgress): void => {
    options.onProgress?.(progress);
    const hasItsWeights = progress.step > 0 || progress.steps === 1;
    if (!next || !hasItsWeights || reading) return;
    startAhead(run, index + 1);
    if (!run.ahead.isWaiting && !keeping?.has(next.name)) reading = readAhead?.(task.stage, next, ended.signal);
  };
  const current = { ...options, onProgress, onLoaded: () => startAhead(run, index + 1) };
  try {
    const waiting = kept ? undefined : run.ahead.take(task, current);
    const process = kept ?? waiting ?? startStageProcess(task, current);
    const done = kept ? kept.next(task, current) : process.done;
    const runsOnCpu = task.stage.kind === "text"; // beside a network on a GPU
    if (runsOnCpu || waiting?.isLoaded()) startAhead(run, index + 1);
    const peaks = await done;
    if (task.keepsNetworks) keeping?.put(task, process);
    return peaks;
  } finally {
    ended.abort();
    await Promise.all([readingOwn, reading]);
  }
}

/** Starts the stage's process if the plan says that it fits beside the one that runs, and what is kept leaves it the room. */
function startAhead(run: RunState, index: number): void {
  const [running, stage] = run.plan.stages.slice(index - 1);
  if (run.ahead.isWaiting || !running || !stage || !run.plan.ahead.includes(stage.name)) return;
  if (run.options.keeping?.hasRoomFor([running.name, stage.name]) === false) return;
  run.ahead.start(taskOf(run, stage, [...run.plan.jobs.keys()], true), run.options);
}

export function taskOf(
  { plan, generatorStates, options: { folder, imagesOf, latentsOf, previewEvery, keeping } }: RunState,
  stage: Stage,
  pending: readonly number[],
  isAhead: boolean,
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
      ...(latentsOf && stage.kind === "diffusion" ? { latents: latentsOf(index) } : {}),
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
    jobsAtOnce: plan.jobsAtOnce[stage.name] ?? 1,
    ...(previewEvery ? { previewEvery } : {}),
    isAhead,
    ...(isAhead && !plan.loadedAhead?.includes(stage.name) ? { warmsUp: true as const } : {}),
    ...(keeping?.mayKeep(stage.name) ? { keepsNetworks: true as const } : {}),
    jobs,
  };
}
