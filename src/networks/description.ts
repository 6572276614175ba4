/**
 * @module networks/description
 * What is known of a network before it is opened. The same description is opened to run (networks/open-network) and measured
 * to predict (memory/predict-network), so that what is predicted is what runs.
 */

import { CheckpointError } from "../errors.ts";
import type { Graph } from "../onnx/graph.ts";
import type { WeightTable } from "../weights/checkpoint.ts";
import type { LoraMerge } from "../weights/lora/merge-lora.ts";
import type { Variant } from "../weights/variants.ts";

/** Tokens of a prompt: what IF and the upscaler were trained with. */
export const TEXT_LENGTH = 77;

export interface NetworkDescription {
  /** As tables and messages call it: `T5`, `UNet`. */
  readonly name: string;
  /** The component's folder in the checkpoint. */
  readonly folder: string;
  /** The variants such a network is published in. */
  readonly published: readonly Variant[];
  /** Which choice of smaller weights it follows; `stored`: its weights are always used as they lie. */
  readonly weights: "stored" | "text-encoder" | "unet";
  /** Finds its weights where they are no component's folder; absent: they lie in `folder`. */
  readonly open?: () => Promise<WeightTable>;
  /** What is merged into its weights; absent: nothing. */
  readonly lora?: LoraMerge | undefined;
  /** How many samples one call takes. */
  readonly batch: number;
  /** The network for any number of samples. */
  readonly build: (samples: number) => Graph;
  /** Are its numbers all within float16's range? T5's and the upscaler's VAE's are not. */
  readonly fitsFloat16: boolean;
  /** May its feature maps be computed in tiles? */
  readonly canTile: boolean;
  /** How large its tiles are then; absent: as memory asks for. */
  readonly tileBytes?: number;
  /** Of an image that is drawn in tiles: how many times a tile's area it has. Absent: the network takes all of it. */
  readonly areas?: number;
  /** The inputs that differ from step to step; what does not depend on them is computed once. Absent: all differ. */
  readonly varying?: readonly string[];
}

/** What UNets are published in. */
export const storedVariants: readonly Variant[] = ["fp16", "fp32"];

/** Of both kinds of UNet: text and noise level stay the same. */
export const varyingInputs: readonly string[] = ["sample", "timestep"];

/** Two components that must agree on a size. @throws {CheckpointError} they do not. */
export function checkSameWidth(what: string, width: number, other: string, otherWidth: number): void {
  if (width !== otherWidth) {
    throw new CheckpointError(
      `${what} is ${width} wide but ${other} is ${otherWidth} wide; these checkpoints do not belong together.`,
    );
  }
}
