/**
 * @module executor/stage-process
 * One stage's process: given its task, watched, ended when it takes more memory than it may. One that keeps its networks
 * open stays when the task is done, and takes further ones.
 */

import { IfGenError, StageError } from "../errors.ts";
import { stageEnvironment } from "../machine/environment.ts";
import { providers } from "../onnx/lower/providers.ts";
import type { StageName } from "../plan/stages.ts";
import { type Child, type ChildEnd, startChild } from "./child.ts";
import { errorOf } from "./failure.ts";
import { type GpuHeld, guardGpu } from "./gpu-guard.ts";
import { describeEnd, startFailure, tooMuch, tooMuchOfGpu } from "./stage-end.ts";
import { libraryFoldersOf } from "./provider-files.ts";
import { type MemoryPeaks, guardMemory, privateBytesOf } from "./memory-guard.ts";
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
  /** The weights of the network that draws are there. Not called of a process that had loaded them before its turn. */
  readonly onLoaded?: () => void;
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
  /** Are the weights of the network that draws there? */
  readonly isLoaded: () => boolean;
  /**
   * Of its first task; a process that does not keep its networks has ended by then. Resolves with the most that it took.
   * @throws {StageError} the process ended badly: which stage, which signal or exit code.
   * @throws {IfGenError} what the stage itself threw; MEMORY_BUDGET when it took more than its budget; INTERRUPTED.
   */
  readonly done: Promise<StagePeaks>;
  /** Gives a process that kept its networks, and is done, another task. As `done`, of that one. */
  readonly next: (task: StageTask, options: StageProcessOptions) => Promise<StagePeaks>;
  /** Never rejects. */
  readonly ended: Promise<void>;
  /** @returns the private memory that it holds now, in bytes; 0 where the system does not say. */
  readonly heldBytes: () => number;
  /** @returns the GPU memory that it had when its last task was done; undefined: it could not be measured, or not yet. */
  readonly heldGpu: () => GpuHeld | undefined;
  /** Ends it: it is not needed. */
  readonly stop: () => void;
}

export function startStageProcess(task: StageTask, options: StageProcessOptions): StageProcess {
  const child = startChild({
    entry: options.worker ?? new URL("./worker.js", import.meta.url),
    task,
    schema: stageMessage,
    onMessage: (message) => turn.hear(message),
    env: stageEnvironment(libraryFoldersOf(task.executionProvider)),
  });
  const own: Own = { child, heldGpu: undefined };
  let turn = beginTurn(own, task, options);
  return {
    isLoaded: () => turn.isLoaded(),
    done: turn.done,
    ended: child.ended.then(() => undefined),
    go(jobs, current) {
      turn.tellTo(current);
      const message: GoMessage = { type: "go", jobs: [...jobs] };
      child.tell(message);
    },
    next(following, current) {
      turn = beginTurn(own, following, current);
      child.tell(following);
      return turn.done;
    },
    heldBytes: () => privateBytesOf(child.pid),
    heldGpu: () => own.heldGpu,
    stop: () => child.stop(new Error(`${task.stage.name} is not needed any more`)),
  };
}

/** What the tasks of a process have in common. */
interface Own {
  readonly child: Child;
  /** Since its last task. */
  heldGpu: GpuHeld | undefined;
}

/** One task of a process: heard, watched, ended with the process or, where that stays, when the task is done. */
interface Turn {
  readonly hear: (message: StageMessage) => void;
  readonly tellTo: (options: StageProcessOptions) => void;
  readonly isLoaded: () => boolean;
  readonly done: Promise<StagePeaks>;
}

function beginTurn(own: Own, task: StageTask, options: StageProcessOptions): Turn {
  const { child } = own;
  const stage = task.stage.name;
  const heard = listenTo(stage, options, (error) => child.kill(error)); // what it draws from now on would be lost as well
  const guards = guardTask(own, task, options);
  const endSignal = endOnSignal(child, options.signal);
  let becomeIdle: () => void = () => undefined;
  const idle = new Promise<void>((resolve) => (becomeIdle = resolve));
  const untilDone = async (): Promise<StagePeaks> => {
    const end = await Promise.race([child.ended, idle]);
    const peaks = end ? guards.stop() : guards.settle();
    await heard.finished().finally(endSignal); // who records may wait for a server that is gone: until then nobody else ends it
    const failure = end && (await failureOf(stage, child, end, heard, options.signal));
    if (failure) throw failure;
    return peaks;
  };
  const done = untilDone();
  done.catch(() => undefined); // heard of when it is awaited, which may be later
  return {
    done,
    tellTo: heard.tellTo,
    isLoaded: heard.isLoaded,
    hear(message) {
      heard.onMessage(message);
      if (message.type !== "done") return;
      guards.sample();
      if (task.keepsNetworks) becomeIdle();
    },
  };
}

/** Ends the process when the signal comes. @returns what stops listening. */
function endOnSignal(child: Child, signal: AbortSignal | undefined): () => void {
  const abort = (): void => child.stop(signal?.reason as Error);
  if (signal?.aborted) abort(); // an event that has passed does not come again
  signal?.addEventListener("abort", abort, { once: true });
  return () => signal?.removeEventListener("abort", abort);
}

/** Watches what a task takes of both memories, and kills the process that takes too much: there is no time to be polite. */
function guardTask(own: Own, task: StageTask, { budgetBytes, gpuBudgetBytes }: StageProcessOptions): Guards {
  const { child } = own;
  const { deviceId, stage } = task;
  const guard = guardMemory(child.pid, {
    budgetBytes,
    onExceeded: (bytes) => child.kill(tooMuch(stage.name, bytes, budgetBytes ?? 0)),
  });
  const onExceeded = (bytes: number): void => child.kill(tooMuchOfGpu(stage.name, bytes, gpuBudgetBytes ?? 0));
  const gpu = isOnGpu(task)
    ? guardGpu({ deviceId, pid: child.pid, heldBytes: own.heldGpu?.bytes, budgetBytes: gpuBudgetBytes, onExceeded })
    : undefined;
  const peaks = (gpuBytes: number | undefined): StagePeaks => ({
    ...guard.stop(),
    ...(gpuBytes === undefined ? {} : { gpuBytes }),
  });
  return {
    sample: guard.sample,
    stop: () => peaks(gpu?.stop()),
    settle() {
      void gpu?.settle().then((held) => (own.heldGpu = held ?? own.heldGpu));
      return peaks(gpu?.peakBytes());
    },
  };
}

interface Guards {
  readonly sample: () => void;
  readonly stop: () => StagePeaks;
  /** As `stop`, of a process that waits for another task. */
  readonly settle: () => StagePeaks;
}

const isOnGpu = ({ executionProvider }: StageTask): boolean =>
  executionProvider !== undefined && !providers[executionProvider].isCpu;

/** What the child says, in order; jobs that it has finished are recorded one after the other. */
function listenTo(stage: StageName, first: StageProcessOptions, onLost: (error: Error) => void) {
  let options = first;
  let failure: Error | undefined;
  let [isLoaded, isDone] = [false, false];
  let recorded = Promise.resolve();
  return {
    tellTo: (current: StageProcessOptions) => (options = current),
    failure: () => failure,
    isLoaded: () => isLoaded,
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
        case "loaded":
          isLoaded = true;
          options.onLoaded?.();
          break;
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
  { pid }: Child,
  end: ChildEnd,
  heard: ReturnType<typeof listenTo>,
  signal: AbortSignal | undefined,
): Promise<Error | undefined> {
  const failure = (pid === 0 ? startFailure(stage, end) : end.reason) ?? heard.failure();
  if (failure) return failure;
  if (heard.isDone() && end.code === 0) return undefined;
  if (end.signal === "SIGINT") {
    await new Promise((resolve) => setTimeout(resolve, INTERRUPT_MS));
    return signal?.aborted ? (signal.reason as Error) : new IfGenError("INTERRUPTED", `interrupted in ${stage}.`);
  }
  if (end.unsent && !end.signal) return new StageError(`${stage}: its process ended at once.`, { cause: end.unsent });
  return describeEnd(stage, end);
}
