/**
 * @module executor/executor
 * Runs a plan, stage after stage, each over all jobs in a process of its own, or in several side by side: when it ends the
 * operating system has all its memory back, a crash costs one stage, and the parent stays responsive meanwhile.
 */

import { join } from "node:path";
import { sweepDrafts } from "../files/draft.ts";
import { makeFolder } from "../files/make-folder.ts";
import { processesFor } from "../memory/stage-processes.ts";
import { OutputError, whyNotWritten } from "../errors.ts";
import type { Plan, Stage } from "../plan/plan.ts";
import { type StageName, describeStage } from "../plan/stages.ts";
import { Ahead } from "./ahead.ts";
import { runOrFallBack } from "./fall-back.ts";
import { SAFETY_REPORT_FILE } from "./protocol.ts";
import { jobFolder } from "./run-folder.ts";
import type { RunOptions } from "./run-options.ts";
import { runInParts } from "./run-in-parts.ts";
import { type RunState, runTask, taskOf } from "./run-task.ts";
import type { StagePeaks, StageProcessOptions } from "./stage-process.ts";

export type { RunOptions, StageEnd } from "./run-options.ts";
export type { StageProgress } from "./stage-process.ts";

/** How long each stage took, loading included. */
export type StageTimes = ReadonlyMap<StageName, number>;

/**
 * @returns milliseconds per stage; the results are files in the jobs' folders.
 * @throws {StageError} a child ended badly: which stage, which signal or exit code.
 * @throws {IfGenError} what the stage itself threw.
 */
export async function runPlan(plan: Plan, options: RunOptions): Promise<StageTimes> {
  const times = new Map<StageName, number>();
  const run: RunState = { plan, options, generatorStates: new Map(), ahead: new Ahead() };
  for (const job of plan.jobs.keys()) await makeJobFolder(options.folder, job);
  try {
    for (const index of plan.stages.keys()) {
      options.signal?.throwIfAborted();
      const { name } = stageAt(plan, index);
      const start = performance.now();
      const pending = await pendingJobs(run, index);
      options.onStageStart?.(name);
      if (index === plan.stages.length - 1) await endFinishedJobs(run, pending);
      const peaks = pending.length === 0 ? undefined : await runStage(run, index, pending);
      const milliseconds = peaks ? performance.now() - start : 0;
      times.set(name, milliseconds);
      options.onStageEnd?.({ stage: name, milliseconds, ...(peaks ? { peaks } : {}) });
    }
  } catch (error) {
    await run.ahead.stop();
    await sweepCaches(plan); // a stage that was killed while it made weights has left them there
    throw error;
  }
  await run.ahead.stop();
  return times;
}

/** Removes what processes that are gone have left where weights with fewer bits, or with LoRAs, are kept. */
async function sweepCaches({ textEncoder, unet, stages }: Plan): Promise<void> {
  const ofLoras = stages.map((stage) => ("lora" in stage ? stage.lora?.cache : undefined));
  const caches = [textEncoder?.cache, unet?.cache, ...ofLoras].filter((cache) => cache !== undefined);
  for (const cache of new Set(caches)) await sweepDrafts(cache);
}

function stageAt({ stages }: Plan, index: number): Stage {
  const stage = stages[index];
  if (!stage) throw new Error(`the plan has no stage ${index}`);
  return stage;
}

async function makeJobFolder(folder: string, job: number): Promise<void> {
  const path = jobFolder(folder, job);
  try {
    await makeFolder(path);
  } catch (cause) {
    throw new OutputError(`the folder ${path} cannot be made: ${whyNotWritten(cause)}.`, { cause });
  }
}

/** The jobs that the stage is to be run for: those that no earlier run has finished, or whose stage before is run anew. */
async function pendingJobs({ plan, options, generatorStates }: RunState, index: number): Promise<number[]> {
  const all = [...plan.jobs.keys()];
  const { runFolder } = options;
  if (!runFolder) return all;
  const pending: number[] = [];
  const [current, ...later] = plan.stages.slice(index).map(({ name }) => name);
  for (const job of all) {
    const finished = current && (await runFolder.finished(current, job));
    if (finished?.generatorState) generatorStates.set(job, finished.generatorState);
    if (finished || !current) continue;
    await runFolder.forget(job, [current, ...later]);
    pending.push(job);
  }
  return pending;
}

/** Tells of the jobs whose last stage is not run any more. */
async function endFinishedJobs({ plan, options }: RunState, pending: readonly number[]): Promise<void> {
  for (const job of plan.jobs.keys()) if (!pending.includes(job)) await options.onJobEnd?.(job);
}

async function runStage(run: RunState, index: number, pending: readonly number[]): Promise<StagePeaks> {
  const most = run.plan.processes?.[stageAt(run.plan, index).name];
  return runInParts(run, pending, processesFor(pending.length, most), (ofPart, jobs) => runJobs(ofPart, index, jobs));
}

async function runJobs(run: RunState, index: number, pending: readonly number[]): Promise<StagePeaks> {
  const { plan, options, generatorStates } = run;
  const stage = stageAt(plan, index);
  const finished = new Set<number>();
  const onFinished: StageProcessOptions["onFinished"] = async ({ job, generatorState }) => {
    finished.add(job);
    if (generatorState) generatorStates.set(job, generatorState);
    await options.runFolder?.record(stage.name, job, filesWritten(stage, job, options), generatorState);
    if (index === plan.stages.length - 1) await options.onJobEnd?.(job);
  };
  return runOrFallBack(
    taskOf(run, stage, pending, false),
    plan.provider.requested === "auto",
    (task) => runTask(run, index, task, { ...options, onFinished }, (job) => finished.has(job)),
    (job) => finished.has(job),
    options.onNote,
  );
}

function filesWritten(stage: Stage, job: number, { folder, imagesOf }: RunOptions): string[] {
  const ownFolder = jobFolder(folder, job);
  return [
    ...describeStage(stage.name).files.map((name) => join(ownFolder, `${name}.safetensors`)),
    ...(stage.kind === "safety" ? [join(ownFolder, SAFETY_REPORT_FILE)] : []),
    ...(imagesOf(stage, job)?.files ?? []).map(({ path }) => path),
  ];
}
