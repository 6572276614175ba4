/**
 * @module executor/executor
 * Runs a plan, stage after stage, each in a process of its own: when it ends the operating system has all its memory
 * back, a crash costs one stage, and the terminal stays alive meanwhile.
 */

import { join } from "node:path";
import type { Plan, Stage, StageName } from "../plan/plan.ts";
import { runOrFallBack } from "./fall-back.ts";
import { SAFETY_REPORT_FILE, type StageJob, filesOf } from "./protocol.ts";
import type { ReadAhead, ReadOwn } from "./read-ahead.ts";
import type { RunFolder } from "./run-folder.ts";
import {
  type StageOutcome,
  type StagePeaks,
  type StageProcessOptions,
  type StageProgress,
  runStageProcess,
} from "./stage-process.ts";

export type { StageProgress } from "./stage-process.ts";

export interface RunOptions extends StageProcessOptions {
  /** Where the stages' files go; exists. */
  readonly folder: string;
  /** The pictures a stage shall draw. */
  readonly picturesOf: (stage: Stage) => StageJob["pictures"];
  /** Keeps what is finished; stages it has are not run again. Its path is `folder`. */
  readonly runFolder?: RunFolder;
  readonly onStageEnd?: (end: StageEnd) => void;
  /** Brings the next stage's weights into the page cache; ended with the stage beside which it reads. */
  readonly readAhead?: ReadAhead;
  /** Brings a stage's own weights there, for a card. */
  readonly readOwn?: ReadOwn;
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
 * @returns milliseconds per stage; the results are files in `folder`.
 * @throws {StageError} a child ended badly: which stage, which signal or exit code.
 * @throws {IfGenError} what the stage itself threw.
 */
export async function runPlan(plan: Plan, options: RunOptions): Promise<StageTimes> {
  const times = new Map<StageName, number>();
  let generatorState: string | undefined;
  let resuming = true;
  for (const [index, stage] of plan.stages.entries()) {
    options.signal?.throwIfAborted();
    const start = performance.now();
    const pictures = options.picturesOf(stage);
    const known = resuming ? await options.runFolder?.finished(stage.name) : undefined;
    if (known) {
      generatorState = known.generatorState ?? generatorState;
      times.set(stage.name, 0);
      options.onStageEnd?.({ stage: stage.name, milliseconds: 0 });
      continue;
    }
    resuming = false;
    await options.runFolder?.forgetFrom(plan.stages.slice(index).map(({ name }) => name));
    const job = jobOf(plan, stage, options.folder, generatorState, pictures);
    const outcome = await runOrFallBack(
      job,
      plan.provider?.asked === "auto",
      (own) => runReadingAhead(own, plan.stages[index + 1], options),
      options.onNote,
    );
    generatorState = outcome.generatorState ?? generatorState;
    await options.runFolder?.record(stage.name, filesWritten(stage, options.folder, pictures), outcome.generatorState);
    const milliseconds = performance.now() - start;
    times.set(stage.name, milliseconds);
    options.onStageEnd?.({ stage: stage.name, milliseconds, peaks: outcome.peaks });
  }
  return times;
}

/** The next stage's weights are read once the running one has its own: after its first step or, of only one, at once. */
async function runReadingAhead(job: StageJob, next: Stage | undefined, options: RunOptions): Promise<StageOutcome> {
  const ended = new AbortController();
  const readingOwn = options.readOwn?.(job.stage, ended.signal);
  let reading: Promise<void> | undefined;
  const onProgress = (progress: StageProgress): void => {
    options.onProgress?.(progress);
    if (next && (progress.step > 0 || progress.steps === 1)) {
      reading ??= options.readAhead?.(job.stage, next, ended.signal);
    }
  };
  try {
    return await runStageProcess(job, { ...options, onProgress });
  } finally {
    ended.abort();
    await Promise.all([readingOwn, reading]);
  }
}

function jobOf(
  plan: Plan,
  stage: Stage,
  folder: string,
  generatorState: string | undefined,
  pictures: StageJob["pictures"],
): StageJob {
  const thrift = plan.thrift?.[stage.name];
  const executionProvider = plan.gpuStages?.[stage.name];
  const deviceId = plan.provider?.deviceId;
  return {
    stage,
    prompt: plan.prompt,
    negativePrompt: plan.negativePrompt,
    numImages: plan.numImages,
    eta: plan.eta,
    seed: plan.seed,
    folder,
    ...(plan.variant ? { variant: plan.variant } : {}),
    ...(plan.threads ? { threads: plan.threads } : {}),
    ...(executionProvider ? { executionProvider } : {}),
    ...(executionProvider && deviceId !== undefined ? { deviceId } : {}),
    ...(plan.textEncoder ? { textEncoder: plan.textEncoder } : {}),
    ...(plan.unet ? { unet: plan.unet } : {}),
    ...(thrift ? { thrift } : {}),
    ...(generatorState ? { generatorState } : {}),
    ...(pictures ? { pictures } : {}),
  };
}

function filesWritten(stage: Stage, folder: string, pictures: StageJob["pictures"]): string[] {
  return [
    ...filesOf(stage.name).map((name) => join(folder, `${name}.safetensors`)),
    ...(stage.name === "safety" ? [join(folder, SAFETY_REPORT_FILE)] : []),
    ...(pictures?.files ?? []).map(({ path }) => path),
  ];
}
