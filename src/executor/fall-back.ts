/**
 * @module executor/fall-back
 * A stage that fails on a GPU is run again on the CPU, if nobody insisted on the GPU. Each job's generator state is in the
 * task, so the images are those that the CPU would have drawn at once.
 */

import { GpuMemoryError, IfGenError } from "../errors.ts";
import type { StageTask } from "./protocol.ts";

/**
 * @param mayFallBack the provider was not named.
 * @param run         a stage; called again without a provider and with the jobs that are not `isFinished`.
 * @throws {IfGenError} what `run` throws, unless it is a GPU's failure and the CPU may try.
 */
export async function runOrFallBack<T>(
  task: StageTask,
  mayFallBack: boolean,
  run: (task: StageTask) => Promise<T>,
  isFinished: (job: number) => boolean,
  onNote: (text: string) => void = () => {},
): Promise<T> {
  const { executionProvider, deviceId: _, ...onCpu } = task;
  try {
    return await run(task);
  } catch (error) {
    if (!executionProvider || !mayFallBack || !isStageFailure(error)) throw error;
    onNote(`${task.stage.name} failed on ${executionProvider} and is run again on the CPU: ${error.message}`);
    return run({ ...onCpu, jobs: task.jobs.filter(({ index }) => !isFinished(index)) });
  }
}

/** Did the stage's process fail, rather than find something wrong with what it was given? */
export const isStageFailure = (error: unknown): error is IfGenError =>
  error instanceof GpuMemoryError || (error instanceof IfGenError && error.code === "STAGE");
