/**
 * @module run/settings
 * What a run is told beside its requests.
 */

import type { OutlineStage } from "../catalog/find-model.ts";
import type { LowMemory } from "../plan/plan.ts";
import type { StageName } from "../plan/stages.ts";
import type { OnEvent } from "./events.ts";

/** Which memory a run may take. */
export interface Budgets {
  /** RAM of a stage, in bytes. @default what is free, at most a free Colab machine's */
  readonly ram?: number | undefined;
  /** GPU memory of a stage, in bytes. @default what is free on the GPU, at most a free Colab machine's */
  readonly vram?: number | undefined;
  /** A free Colab machine's, or all that this machine has free. */
  readonly budget?: "colab" | "machine" | undefined;
}

export interface RunSettings {
  /** More entries for models, in the form of models.json. */
  readonly modelsFile?: string | undefined;
  /** For the Hub; takes the place of the environment's and the file's. */
  readonly token?: string | undefined;
  /** Fetch what is missing of a model? Otherwise it is an error. */
  readonly download: boolean;
  /** Plan with what stands for a model that is not here. */
  readonly outline?: OutlineStage | undefined;
  readonly budgets: Budgets;
  /** The low-memory modes of the run that is gone on with: other ones would give other images. */
  readonly lowMemory?: Readonly<Partial<Record<StageName, LowMemory>>> | undefined;
  /** Ends the run; its reason is what the run then throws. */
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
}
