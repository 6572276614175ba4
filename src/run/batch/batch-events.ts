/**
 * @module run/batch/batch-events
 * What happens during a batch, in order, for whoever shows it.
 */

import type { IfGenError } from "../../errors.ts";
import type { DrawnJob } from "../draw.ts";
import type { RunEvent } from "../events.ts";

export type BatchEvent =
  /** Jobs that wait for workers now. */
  | { readonly type: "queued"; readonly jobs: number }
  /** Jobs that an earlier process has drawn. */
  | { readonly type: "skipped"; readonly jobs: number }
  /** A worker begins with these jobs, by their numbers. */
  | { readonly type: "chunk"; readonly worker: number; readonly jobs: readonly number[] }
  /** Of the jobs at work; `job` is the batch's number. */
  | { readonly type: "run"; readonly worker: number; readonly event: RunEvent }
  | {
      readonly type: "drawn";
      readonly index: number;
      readonly line: number;
      readonly files: readonly string[];
      /** Its share of each stage's time. */
      readonly seconds: Readonly<Record<string, number>>;
      /** Absent: a worker of a queue drew it, in another process. */
      readonly drawn?: DrawnJob;
    }
  /** A worker could not draw a job, and leaves it to another one. */
  | { readonly type: "handed-over"; readonly worker: number; readonly index: number; readonly error: IfGenError }
  /** Others draw what a worker cannot: it takes no more jobs. */
  | { readonly type: "retired"; readonly worker: number }
  | { readonly type: "failed"; readonly index: number; readonly line: number; readonly error: IfGenError };

export interface BatchSummary {
  readonly drawn: number;
  readonly failed: number;
  /** Drawn by an earlier process. */
  readonly skipped: number;
  /** Of the first job that failed. */
  readonly firstError?: IfGenError;
}
