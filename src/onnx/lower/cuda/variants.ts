/**
 * @module onnx/lower/cuda/variants
 * The ways in which a network can be lowered for CUDA, so that they can be timed against each other on a GPU. Names are
 * stable: the log of measurements (docs/notebook/cuda.md) refers to them. It also names what lost and is gone.
 */

export interface CudaChoices {
  /** `last`: feature maps channels-last, passes taken together; `first`: as the network has them. */
  readonly layout: "first" | "last";
  /** `joined`: keys and values of IF's attentions are made together (onnx/lower/cuda/attention-keys). */
  readonly keys: "joined" | "apart";
  /** Does onnxruntime fold what is made of constants when the session is made (runtime/execution-providers)? */
  readonly folds: boolean;
}

const channelsLast: CudaChoices = { layout: "last", keys: "apart", folds: true };

const joinedKeys: CudaChoices = { ...channelsLast, keys: "joined" };

/** For weights in 8-bit blocks, which are unpacked as they are used. */
const unfolded: CudaChoices = { ...channelsLast, folds: false };

const plain: CudaChoices = { ...channelsLast, layout: "first" };

/** By name. */
export const cudaVariants: Readonly<Record<string, CudaChoices>> = {
  plain,
  nhwc: channelsLast,
  "nhwc-keys": joinedKeys,
  "nhwc-unfolded": unfolded,
};

export const cudaDefault: CudaChoices = joinedKeys;

/** By how the weights lie: those of 8-bit blocks are unpacked, which joining them would do anew at each step. */
export const cudaDefaults: Readonly<Record<"stored" | "blocks", CudaChoices>> = {
  stored: joinedKeys,
  blocks: unfolded,
};
