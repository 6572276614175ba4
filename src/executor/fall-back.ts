/**
 * @module executor/fall-back
 * A stage that fails on a graphics card is run again on the processor, if nobody insisted on the card. The generator's
 * state is in the job, so the picture is the one that the processor would have drawn at once.
 */

import { CardMemoryError, IfGenError } from "../errors.ts";
import type { StageJob } from "./protocol.ts";

/**
 * @param mayFallBack the provider was not named.
 * @throws {IfGenError} what `run` throws, unless it is a card's failure and the processor may try.
 */
export async function runOrFallBack<T>(
  job: StageJob,
  mayFallBack: boolean,
  run: (job: StageJob) => Promise<T>,
  onNote: (text: string) => void = () => {},
): Promise<T> {
  const { executionProvider, deviceId: _, ...onProcessor } = job;
  try {
    return await run(job);
  } catch (error) {
    const isFailure = error instanceof CardMemoryError || (error instanceof IfGenError && error.code === "STAGE");
    if (!executionProvider || !mayFallBack || !isFailure) throw error;
    onNote(`${job.stage.name} failed on ${executionProvider} and is run again on the processor: ${error.message}`);
    return run(onProcessor);
  }
}
