/**
 * @module executor/stage-process
 * One stage's process: started, given its job, watched, ended. The first reason to end it is the one that is reported.
 */

import { fork } from "node:child_process";
import { CardMemoryError, type ErrorCode, IfGenError, StageError, exitCodes } from "../errors.ts";
import { gigabytes } from "../memory/budget.ts";
import { stageEnvironment } from "../machine/machine.ts";
import type { StageName } from "../plan/plan.ts";
import { guardCard } from "./gpu-guard.ts";
import { type MemoryPeaks, guardMemory } from "./memory-guard.ts";
import { type StageJob, type StageMessage, stageMessage } from "./protocol.ts";

/** How long a child that was asked to end may take before it is killed. */
const GRACE_MS = 2_000;

/** Ctrl-C reaches the whole group; it may end a child that cannot listen yet before this process has heard of it. */
const INTERRUPT_MS = 100;

export interface StageProgress {
  readonly stage: StageName;
  readonly step: number;
  readonly steps: number;
  readonly what: string;
}

export interface StageProcessOptions {
  readonly onProgress?: (progress: StageProgress) => void;
  readonly onNote?: (text: string) => void;
  /** Ends the running stage and the run. */
  readonly signal?: AbortSignal;
  /** Private memory that a stage may take; it is ended when it takes more. */
  readonly budgetBytes?: number;
  /** Memory of the graphics card that a stage may take, likewise. */
  readonly cardBudgetBytes?: number;
  /** The child's entry; the built worker beside this file if absent. */
  readonly worker?: URL;
}

export interface StageOutcome {
  /** The shared generator as the stage left it, base64; absent if it drew nothing. */
  readonly generatorState: string | undefined;
  readonly peaks: StagePeaks;
}

export interface StagePeaks extends MemoryPeaks {
  /** Memory of the graphics card; absent where the stage ran on none or it could not be measured. */
  readonly gpuBytes?: number;
}

/**
 * @throws {StageError} the process ended badly: which stage, which signal or exit code.
 * @throws {IfGenError} what the stage itself threw; MEMORY_BUDGET when it took more than its budget; INTERRUPTED.
 */
export function runStageProcess(job: StageJob, options: StageProcessOptions): Promise<StageOutcome> {
  const stage = job.stage.name;
  const child = fork(options.worker ?? new URL("./worker.js", import.meta.url), {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "json",
    env: stageEnvironment(),
  });
  return new Promise((resolve, reject) => {
    let result: Extract<StageMessage, { type: "result" }> | undefined;
    let failure: Error | undefined;
    let unsent: StageError | undefined;
    let stderr = "";
    let kill: NodeJS.Timeout | undefined;
    const stop = (): void => {
      child.kill("SIGTERM");
      kill ??= setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
    };
    const guard = guardMemory(child.pid ?? 0, {
      budgetBytes: options.budgetBytes,
      onExceeded: (bytes) => {
        failure ??= tooMuch(stage, bytes, options.budgetBytes ?? 0);
        child.kill("SIGKILL"); // there is no time to be polite
      },
    });
    const card = job.executionProvider
      ? guardCard({
          deviceId: job.deviceId,
          budgetBytes: options.cardBudgetBytes,
          onExceeded: (bytes) => {
            failure ??= tooMuchOfCard(stage, bytes, options.cardBudgetBytes ?? 0);
            child.kill("SIGKILL");
          },
        })
      : undefined;
    const abort = (): void => {
      failure ??= options.signal?.reason as Error;
      stop();
    };
    options.signal?.addEventListener("abort", abort, { once: true });
    child.stderr?.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-4000)));
    child.on("message", (raw) => {
      const message = stageMessage.parse(raw);
      if (message.type === "progress") {
        options.onProgress?.({ stage, step: message.step, steps: message.steps, what: message.what });
      } else if (message.type === "note") options.onNote?.(message.text);
      else if (message.type === "error") failure ??= stageFailure(stage, message.code, message.message);
      else {
        result = message;
        guard.sample();
      }
    });
    child.once("error", (error) => {
      failure ??= new StageError(`${stage}: its process cannot be started: ${error.message}.`, { cause: error });
      if (child.pid !== undefined) return;
      card?.stop();
      reject(failure); // nothing will close
    });
    child.once("close", (code, signal) => {
      clearTimeout(kill);
      options.signal?.removeEventListener("abort", abort);
      const gpuBytes = card?.stop();
      const peaks = { ...guard.stop(), ...(gpuBytes === undefined ? {} : { gpuBytes }) };
      if (failure) reject(failure);
      else if (result && code === 0) resolve({ generatorState: result.generatorState, peaks });
      else if (signal === "SIGINT") setTimeout(() => reject(interruption(stage, options.signal)), INTERRUPT_MS);
      else reject((signal ? undefined : unsent) ?? describeEnd(stage, code, signal, stderr));
    });
    child.send(job, (error) => {
      if (error) unsent = new StageError(`${stage}: its process ended at once.`, { cause: error });
    });
  });
}

function tooMuch(stage: StageName, bytes: number, budgetBytes: number): IfGenError {
  return new IfGenError(
    "MEMORY_BUDGET",
    `${stage} was ended: it took ${gigabytes(bytes)} GB of private memory and the budget is ` +
      `${gigabytes(budgetBytes)} GB; ask for fewer --num-images or give a larger --ram-budget.`,
  );
}

function tooMuchOfCard(stage: StageName, bytes: number, budgetBytes: number): CardMemoryError {
  return new CardMemoryError(
    `${stage} was ended: with it the memory in use on the graphics card grew by ${gigabytes(bytes)} GB and the budget ` +
      `is ${gigabytes(budgetBytes)} GB; ask for fewer --num-images, give a larger --vram-budget, or run it on the ` +
      "processor with --execution-provider cpu.",
  );
}

function interruption(stage: StageName, signal: AbortSignal | undefined): Error {
  if (signal?.aborted) return signal.reason as Error;
  return new IfGenError("INTERRUPTED", `interrupted in ${stage}.`);
}

function stageFailure(stage: StageName, code: string | null, message: string): Error {
  if (code !== null && code in exitCodes) return new IfGenError(code as ErrorCode, message);
  const bug = new Error(`${stage}: ${message}`);
  bug.stack = `${stage}: ${message}`; // the child's stack, not ours
  return bug;
}

const signalCauses: Readonly<Record<string, string>> = {
  SIGKILL:
    "most likely the machine ran out of memory and the kernel ended it; free memory or ask for fewer --num-images",
  SIGBUS: "a file of weights became shorter while it was in use; check the disk and fetch the file again",
  SIGSEGV: "the native library crashed; please report the command with this message",
  SIGABRT: "the native library gave up; please report the command with this message",
};

function describeEnd(stage: StageName, code: number | null, signal: NodeJS.Signals | null, stderr: string): StageError {
  if (/heap out of memory|bad_alloc/.test(stderr)) {
    return new StageError(`${stage} ran out of memory inside its process; ask for fewer --num-images.`);
  }
  const said = stderr.trim() === "" ? "" : ` It said: ${stderr.trim()}`;
  if (signal) {
    return new StageError(`${stage} was ended by ${signal}: ${signalCauses[signal] ?? "somebody stopped it"}.${said}`);
  }
  return new StageError(
    `${stage} ended with exit code ${code} and without a result; please report the command.${said}`,
  );
}
