/**
 * @module executor/run-options
 * What a plan is run with, and what is told of it.
 */

import type { Stage } from "../plan/plan.ts";
import type { StageName } from "../plan/stages.ts";
import type { Keeping } from "./kept-stages.ts";
import type { JobImages } from "./protocol.ts";
import type { ReadAhead, ReadOwn } from "./read-ahead.ts";
import type { RunFolder } from "./run-folder.ts";
import type { StagePeaks, StageProcessOptions } from "./stage-process.ts";

export interface RunOptions extends Omit<StageProcessOptions, "onFinished"> {
  /** Where the jobs' folders go; exists. */
  readonly folder: string;
  /** The images that a stage shall draw of a job. */
  readonly imagesOf: (stage: Stage, job: number) => JobImages | undefined;
  /** Keeps what is finished; stages it has are not run again. Its path is `folder`. */
  readonly runFolder?: RunFolder | undefined;
  readonly onStageStart?: (stage: StageName) => void;
  readonly onStageEnd?: (end: StageEnd) => void;
  /** A job's last stage is done, its images are written; at once for a job that an earlier run has finished. Awaited. */
  readonly onJobEnd?: (job: number) => Promise<void>;
  /** Brings the next stage's weights into the page cache; ended with the stage beside which it reads. */
  readonly readAhead?: ReadAhead;
  /** Brings a stage's own weights there, for a GPU. */
  readonly readOwn?: ReadOwn;
  /** Where stages' processes stay, with their networks, for later runs; absent: they end. */
  readonly keeping?: Keeping | undefined;
  /** How the paths begin that a job's samples are kept at, step by step; absent: they are not. */
  readonly latentsOf?: ((job: number) => string) | undefined;
  /** Send a preview after every so many steps; absent: none. */
  readonly previewEvery?: number | undefined;
}

export interface StageEnd {
  readonly stage: StageName;
  readonly milliseconds: number;
  /** Absent when the stage was finished in an earlier run. */
  readonly peaks?: StagePeaks;
}
