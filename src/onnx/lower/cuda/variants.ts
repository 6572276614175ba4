/**
 * @module onnx/lower/cuda/variants
 * The ways in which a network can be lowered for CUDA, so that they can be timed against each other on a GPU. Names are
 * stable: the log of measurements (docs/notebook/cuda.md) refers to them. It also names what lost and is gone.
 */

export interface CudaChoices {
  /** `last`: feature maps channels-last, passes taken together; `first`: as the network has them. */
  readonly layout: "first" | "last";
}

const channelsLast: CudaChoices = { layout: "last" };

const plain: CudaChoices = { layout: "first" };

/** By name. */
export const cudaVariants: Readonly<Record<string, CudaChoices>> = { plain, nhwc: channelsLast };

export const cudaDefault: CudaChoices = channelsLast;

/** By how the weights lie: of 8-bit blocks, kernels are unpacked for NhwcConv, which was not measured at full size. */
export const cudaDefaults: Readonly<Record<"stored" | "blocks", CudaChoices>> = {
  stored: channelsLast,
  blocks: plain,
};
