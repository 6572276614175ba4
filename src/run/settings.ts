/**
 * @module run/settings
 * What a run is told beside its requests.
 */

import type { OutlineStage } from "../catalog/find-model.ts";
import type { IfGenError } from "../errors.ts";
import type { Held, KeptStages } from "../executor/kept-stages.ts";
import type { Plan } from "../plan/plan.ts";
import type { Request } from "../plan/request.ts";
import type { chooseProvider } from "./choose-provider.ts";
import type { OnEvent } from "./events.ts";

export type LowMemoryModes = Plan["lowMemory"];

/** Which memory a run may take. */
export interface Budgets {
  /** RAM of a stage, in bytes. @default what is free, at most a free Colab machine's */
  readonly ram?: number | undefined;
  /** GPU memory of a stage, in bytes. @default what is free on the GPU, at most a free Colab machine's */
  readonly vram?: number | undefined;
  /** A free Colab machine's, or all that this machine has free. */
  readonly budget?: "colab" | "machine" | undefined;
  /** How many runs share the machine, and its GPU, at the same time: each may take a part of what is free. @default 1 */
  readonly shares?: { readonly ram: number; readonly vram: number } | undefined;
  /** Memory that is not free but can be had at once: see executor/kept-stages. @default none */
  readonly held?: (() => Held) | undefined;
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
  /** @returns the low-memory modes of the run of these requests that is gone on with: other ones would give other images. */
  readonly resumedLowMemory?: ((requests: readonly Request[]) => Promise<LowMemoryModes | undefined>) | undefined;
  /** Chooses providers in place of `chooseProvider`, such as one that remembers. */
  readonly chooseProvider?: typeof chooseProvider | undefined;
  /** Told of a request that cannot be drawn; the others go on. Absent: the first one ends the run. */
  readonly onFailed?: ((job: number, error: IfGenError) => void) | undefined;
  /** Where stages' processes stay, with their networks, for later runs; whoever made it closes it. @default they end */
  readonly keptStages?: KeptStages | undefined;
  /** Ends the run; its reason is what the run then throws. */
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
}
