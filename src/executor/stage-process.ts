/**
 * @module executor/stage-process
 * One stage's process: given its task, watched, ended when it takes more memory than it may.
 */

import { GpuMemoryError, IfGenError, StageError } from "../errors.ts";
import { gigabytes } from "../memory/bytes.ts";
import { stageEnvironment } from "../machine/environment.ts";
import { providers } from "../onnx/lower/providers.ts";
import type { StageName } from "../plan/stages.ts";
import { type ChildEnd, startChild, wordsOf } from "./child.ts";
import { errorOf } from "./failure.ts";
import { guardGpu } from "./gpu-guard.ts";
import { libraryFoldersOf } from "./provider-files.ts";
import { type MemoryPeaks, guardMemory } from "./memory-guard.ts";
import {
  type GoMessage,
  type Preview,
  type StageMessage,
  type StageTask,
  type TaskJob,
  stageMessage,
} from "./protocol.ts";

/** Ctrl-C reaches the whole group; it may end a child that cannot listen yet before this process has heard of it. */
const INTERRUPT_MS = 100;

export interface StageProgress {
  readonly stage: StageName;
  /** Its place in the plan. */
  readonly job: number;
  /** All that are drawn at once, where there are several: the first one is `job`, or the one that `preview` is of. */
  readonly jobs?: readonly number[];
  readonly step: number;
  readonly steps: number;
  readonly what: string;
  readonly preview?: Preview;
}

export interface FinishedJob {
  readonly job: number;
  /** The job's generator as the stage left it, base64; absent if it drew nothing. */
  readonly generatorState?: string;
}

export interface StageProcessOptions {
  readonly onProgress?: (progress: StageProgress) => void;
  readonly onNote?: (text: string, job?: number) => void;
  /** A job's files are written. Awaited before the stage counts as done. */
  readonly onFinished?: (finished: FinishedJob) => Promise<void>;
  /** Ends the running stage and the run. */
  readonly signal?: AbortSignal | undefined;
  /** Private memory that a stage may take; it is ended when it takes more. */
  readonly budgetBytes?: number;
  /** Memory of the GPU that a stage may take, likewise. */
  readonly gpuBudgetBytes?: number;
  /** The child's entry; the built worker beside this file if absent. */
  readonly worker?: URL;
}

export interface StagePeaks extends MemoryPeaks {
  /** Memory of the GPU; absent where the stage ran on none or it could not be measured. */
  readonly gpuBytes?: number;
}

/** A stage's process. */
export interface StageProcess {
  /** Tells a stage that was started ahead of its turn that the turn has come. */
  readonly go: (jobs: readonly TaskJob[], options: StageProcessOptions) => void;
  /**
   * Resolves with the most that it took.
   * @throws {StageError} the process ended badly: which stage, which signal or exit code.
   * @throws {IfGenError} what the stage itself threw; MEMORY_BUDGET when it took more than its budget; INTERRUPTED.
   */
  readonly ended: Promise<StagePeaks>;
  /** Ends it: it is not needed. */
  readonly stop: () => void;
}

export function startStageProcess(task: StageTask, options: StageProcessOptions): StageProcess {
  const stage = task.stage.name;
  const heard = listenTo(stage, options, (error) => child.kill(error)); // what it draws from now on would be lost as well
  const child = startChild({
    entry: options.worker ?? new URL("./worker.js", import.meta.url),
    task,
    schema: stageMessage,
    onMessage: (message) => {
      heard.onMessage(message);
      if (message.type === "done") guard.sample();
    },
    env: stageEnvironment(libraryFoldersOf(task.executionProvider)),
    signal: options.signal,
  });
  const guard = guardMemory(child.pid, {
    budgetBytes: options.budgetBytes,
    onExceeded: (bytes) => child.kill(tooMuch(stage, bytes, options.budgetBytes ?? 0)), // there is no time to be polite
  });
  const gpu = isOnGpu(task)
    ? guardGpu({
        deviceId: task.deviceId,
        pid: child.pid,
        budgetBytes: options.gpuBudgetBytes,
        onExceeded: (bytes) => child.kill(tooMuchOfGpu(stage, bytes, options.gpuBudgetBytes ?? 0)),
      })
    : undefined;
  const untilEnd = async (): Promise<StagePeaks> => {
    const end = await child.ended;
    const gpuBytes = gpu?.stop();
    const peaks = { ...guard.stop(), ...(gpuBytes === undefined ? {} : { gpuBytes }) };
    await heard.finished();
    const failure =
      (child.pid === 0 ? startFailure(stage, end) : end.reason) ??
      heard.failure() ??
      (await failureOf(stage, end, heard.isDone(), options.signal));
    if (failure) throw failure;
    return peaks;
  };
  const ended = untilEnd();
  ended.catch(() => undefined); // heard of when it is awaited, which may be later
  return {
    ended,
    go(jobs, current) {
      heard.tellTo(current);
      const message: GoMessage = { type: "go", jobs: [...jobs] };
      child.tell(message);
    },
    stop: () => child.stop(new Error(`${stage} is not needed any more`)),
  };
}

const isOnGpu = ({ executionProvider }: StageTask): boolean =>
  executionProvider !== undefined && !providers[executionProvider].isCpu;

/** What the child says, in order; jobs that it has finished are recorded one after the other. */
function listenTo(stage: StageName, first: StageProcessOptions, onLost: (error: Error) => void) {
  let options = first;
  let failure: Error | undefined;
  let isDone = false;
  let recorded = Promise.resolve();
  return {
    tellTo: (current: StageProcessOptions) => (options = current),
    failure: () => failure,
    isDone: () => isDone,
    finished: () => recorded,
    onMessage(message: StageMessage): void {
      switch (message.type) {
        case "progress": {
          const { type: _, ...progress } = message;
          options.onProgress?.({ stage, ...progress });
          break;
        }
        case "note":
          options.onNote?.(message.text, message.job);
          break;
        case "finished": {
          const { type: _, ...finished } = message;
          recorded = recorded.then(() => options.onFinished?.(finished));
          recorded.catch(onLost); // awaited at the end
          break;
        }
        case "done":
          isDone = true;
          break;
        case "error":
          failure ??= errorOf(stage, message.code, message.message);
      }
    },
  };
}

async function failureOf(
  stage: StageName,
  end: ChildEnd,
  isDone: boolean,
  signal: AbortSignal | undefined,
): Promise<Error | undefined> {
  if (isDone && end.code === 0) return undefined;
  if (end.signal === "SIGINT") {
    await new Promise((resolve) => setTimeout(resolve, INTERRUPT_MS));
    return signal?.aborted ? (signal.reason as Error) : new IfGenError("INTERRUPTED", `interrupted in ${stage}.`);
  }
  if (end.unsent && !end.signal) return new StageError(`${stage}: its process ended at once.`, { cause: end.unsent });
  return describeEnd(stage, end);
}

function startFailure(stage: StageName, { reason }: ChildEnd): StageError {
  return new StageError(`${stage}: its process cannot be started: ${reason?.message}.`, { cause: reason });
}

function tooMuch(stage: StageName, bytes: number, budgetBytes: number): IfGenError {
  return new IfGenError(
    "MEMORY_BUDGET",
    `${stage} was ended: it took ${gigabytes(bytes)} GB of private memory and the budget is ` +
      `${gigabytes(budgetBytes)} GB; ask for fewer --num-images or give a larger --ram-budget.`,
  );
}

function tooMuchOfGpu(stage: StageName, bytes: number, budgetBytes: number): GpuMemoryError {
  return new GpuMemoryError(
    `${stage} was ended: with it the memory in use on the GPU grew by ${gigabytes(bytes)} GB and the budget ` +
      `is ${gigabytes(budgetBytes)} GB; ask for fewer --num-images, give a larger --vram-budget, or run it on the ` +
      "CPU with --execution-provider cpu.",
  );
}

const signalCauses: Readonly<Record<string, string>> = {
  SIGKILL:
    "most likely the machine ran out of memory and the kernel ended it; free memory or ask for fewer --num-images",
  SIGBUS: "a file of weights became shorter while it was in use; check the disk and fetch the file again",
  SIGSEGV: "the native library crashed; please report the command with this message",
  SIGABRT: "the native library gave up; please report the command with this message",
};

function describeEnd(stage: StageName, end: ChildEnd): StageError {
  const { code, signal, stderr } = end;
  if (/heap out of memory|bad_alloc/.test(stderr)) {
    return new StageError(`${stage} ran out of memory inside its process; ask for fewer --num-images.`);
  }
  if (signal) {
    return new StageError(
      `${stage} was ended by ${signal}: ${signalCauses[signal] ?? "somebody stopped it"}.${wordsOf(end)}`,
    );
  }
  return new StageError(
    `${stage} ended with exit code ${code} and without a result; please report the command.${wordsOf(end)}`,
  );
}
