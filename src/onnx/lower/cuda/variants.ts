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
  /** Which convolution takes kernels that are unpacked as they are used, if not `NhwcConv`: onnxruntime's internal one. */
  readonly unpackedKernels?: "internal";
}

const channelsLast: CudaChoices = { layout: "last", keys: "apart" };

const joinedKeys: CudaChoices = { layout: "last", keys: "joined" };

const plain: CudaChoices = { layout: "first", keys: "apart" };

/** By name. */
export const cudaVariants: Readonly<Record<string, CudaChoices>> = {
  plain,
  nhwc: channelsLast,
  "nhwc-keys": joinedKeys,
  "nhwc-internal": { ...channelsLast, unpackedKernels: "internal" },
};

export const cudaDefault: CudaChoices = channelsLast;

/** By how the weights lie: of 8-bit blocks, kernels are unpacked for NhwcConv, which was not measured at full size. */
export const cudaDefaults: Readonly<Record<"stored" | "blocks", CudaChoices>> = {
  stored: channelsLast,
  blocks: plain,
};
