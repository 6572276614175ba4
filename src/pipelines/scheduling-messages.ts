/**
 * @module pipelines/scheduling-messages
 * What a thread and its starter say to each other about the steps of a share of a batch. Tensors lie in memory that both see;
 * whose turn it is to read and write them changes with each message.
 */

import type { CreateSchedulerOptions } from "../schedulers/create-scheduler.ts";
import type { TimestepSelection } from "../schedulers/scheduler.ts";
import type { Tensor } from "../math/tensor.ts";
import type { Guidance } from "./guidance.ts";

/** How a scheduler is made that stands where another one does. */
export interface SchedulerSource {
  /** With `scheduler/`. */
  readonly checkpoint: string;
  readonly override?: CreateSchedulerOptions;
  readonly selection: TimestepSelection;
  /** Where it was told to begin, if it was. */
  readonly beginIndex?: number;
}

/** What both threads see of a group's tensors, (B, C, H, W) each, float32 unless said otherwise. */
export interface SharedTensors {
  /** What the network is to see next, before the conditioning is joined to it; as its answer, float16 where `inHalves` says so. */
  readonly scaled: SharedArrayBuffer;
  /** After the last step. */
  readonly sample: SharedArrayBuffer;
  readonly original: SharedArrayBuffer;
}

/** One generator's images, which know nothing of the group's others. */
export interface Share {
  readonly scheduler: SchedulerSource;
  readonly timesteps: readonly number[];
  readonly guidance: Guidance;
  readonly eta: number;
  /** As `saveState` gives it. */
  readonly generatorState: Uint8Array;
  /** Its images' place in the group, from and up to, and the group's shape. */
  readonly images: readonly [number, number];
  readonly shape: readonly number[];
  readonly mask?: Tensor;
  readonly shared: SharedTensors;
  /** Does the network take and give float16? */
  readonly inHalves: boolean;
}

export type ToThread =
  /** Its first sample lies in `sample`. */
  | { readonly type: "start"; readonly id: number; readonly share: Share }
  /** The network's answer for the whole group, (M·B, C or 2C, H, W). */
  | {
      readonly type: "predicted";
      readonly id: number;
      readonly data: SharedArrayBuffer;
      readonly shape: readonly number[];
    };

export type FromThread =
  /** `scaled` is written and, but for the first time, what the step before gave. */
  | { readonly type: "asks"; readonly id: number }
  /** All steps are taken. */
  | { readonly type: "ended"; readonly id: number; readonly generatorState: Uint8Array }
  | { readonly type: "failed"; readonly id: number; readonly message: string };
