/**
 * @module executor/stage-end
 * How a stage's process can end badly, in words.
 */

import { GpuMemoryError, IfGenError, StageError } from "../errors.ts";
import { gigabytes } from "../memory/bytes.ts";
import type { StageName } from "../plan/stages.ts";
import { type ChildEnd, wordsOf } from "./child.ts";

export function startFailure(stage: StageName, { reason }: ChildEnd): StageError {
  return new StageError(`${stage}: its process cannot be started: ${reason?.message}.`, { cause: reason });
}

export function tooMuch(stage: StageName, bytes: number, budgetBytes: number): IfGenError {
  return new IfGenError(
    "MEMORY_BUDGET",
    `${stage} was ended: it took ${gigabytes(bytes)} GB of private memory and the budget is ` +
      `${gigabytes(budgetBytes)} GB; ask for fewer --num-images or give a larger --ram-budget.`,
  );
}

export function tooMuchOfGpu(stage: StageName, bytes: number, budgetBytes: number): GpuMemoryError {
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

export function describeEnd(stage: StageName, end: ChildEnd): StageError {
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
