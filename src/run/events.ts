/**
 * @module run/events
 * What happens during a run, in order, for whoever shows it. Jobs are counted as the requests came.
 */

import type { Preview } from "../executor/protocol.ts";
import type { StagePeaks } from "../executor/stage-process.ts";
import type { DownloadEvent } from "../hub/types.ts";
import type { Limits, StageNeed } from "../memory/budget.ts";
import type { Plan } from "../plan/plan.ts";
import type { StageName } from "../plan/stages.ts";

export type RunEvent =
  /** A repository is fetched before anything is planned. */
  | { readonly type: "download"; readonly repo: string; readonly event: DownloadEvent }
  /** All is decided. `jobs`: which requests the plan draws. */
  | {
      readonly type: "plan";
      readonly plan: Plan;
      readonly needs: readonly StageNeed[];
      readonly limits: Limits;
      readonly jobs: readonly number[];
    }
  /** A sentence for the user. */
  | { readonly type: "note"; readonly text: string; readonly job?: number }
  | { readonly type: "stage"; readonly stage: StageName }
  | {
      readonly type: "step";
      readonly stage: StageName;
      readonly job: number;
      /** All that are drawn at once, where there are several: the first one is `job`, or the one that `preview` is of. */
      readonly jobs?: readonly number[];
      readonly step: number;
      readonly steps: number;
      readonly what: string;
      readonly preview?: Preview;
    }
  | {
      readonly type: "stage-end";
      readonly stage: StageName;
      readonly milliseconds: number;
      readonly peaks?: StagePeaks;
    }
  /** A job's images are there. */
  | { readonly type: "job"; readonly job: number };

export type OnEvent = (event: RunEvent) => void;
