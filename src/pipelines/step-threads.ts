/**
 * @module pipelines/step-threads
 * The threads beside the one that calls a stage's network.
 */

import type { StageTiles } from "../plan/plan.ts";
import { type NoiseThread, withNoiseThread } from "./noise-thread.ts";
import { type SchedulingThreads, withSchedulingThreads } from "./scheduling-threads.ts";

export interface StepThreadOptions {
  /** In which the steps are taken beside the network's calls. @default 0, none */
  readonly schedulingThreads?: number;
  /** Without those: does a thread draw a step's noise while the network runs? @default false */
  readonly drawsNoiseAhead?: boolean;
}

/** Do other threads convert what the network takes and gives? Tiles of an image are cut out and blended in float32. */
export const convertsHalves = ({
  schedulingThreads = 0,
  tiles,
}: StepThreadOptions & { readonly tiles?: StageTiles | undefined }): boolean => schedulingThreads > 0 && !tiles;

export interface StepThreads {
  /** Absent: the steps are taken in the thread that calls the network. */
  readonly threads?: SchedulingThreads | undefined;
  /** Absent: noise is drawn where the steps are taken. */
  readonly noiseThread?: NoiseThread | undefined;
}

/** Starts them for `use`, and ends them when it has ended. */
export async function withStepThreads<T>(
  { schedulingThreads = 0, drawsNoiseAhead = false }: StepThreadOptions,
  use: (threads: StepThreads) => Promise<T>,
): Promise<T> {
  return withSchedulingThreads(schedulingThreads, (threads) =>
    withNoiseThread(drawsNoiseAhead, (noiseThread) => use({ threads, noiseThread })),
  );
}
