/**
 * @module onnx/lower/cuda/variants
 * The ways in which a network can be lowered for CUDA, so that they can be timed against each other on a GPU. Names are
 * stable: the log of measurements (docs/notebook/cuda.md) refers to them.
 */

export interface CudaChoices {
  /** `last`: feature maps channels-last, passes taken together; `first`: as the network has them. */
  readonly layout: "first" | "last";
  /** Linear layers: Gemm with its bias, or FusedMatMul and a sum. */
  readonly linear: "gemm" | "matMul";
  /** What resnets make of the time: each by itself, or all at once. */
  readonly conditioning: "each" | "batched";
  /** Sums that no norm follows take biases with them (BiasAdd), where the feature map has so many numbers. */
  readonly biasAddFrom: number;
  /**
   * A group norm whose weight and bias differ from sample to sample: normalised for all, then a product, a sum and a SiLU
   * (`affine`); or sample by sample, each with its own (`perSample`).
   */
  readonly timedNorm: "affine" | "perSample";
  /**
   * Group norms of an odd number of channels a group, which onnxruntime's kernel does not take: InstanceNormalization between
   * two turns (`instance`); or mean and variance by products (`products`) or by reductions (`reductions`), then a product and
   * a sum.
   */
  readonly oddGroups: "instance" | "products" | "reductions";
  /** Nearest neighbours: one Expand, or two concatenations. */
  readonly upsample: "expand" | "concat";
}

const channelsLast: CudaChoices = {
  layout: "last",
  linear: "matMul",
  conditioning: "batched",
  biasAddFrom: 2 ** 23,
  timedNorm: "affine",
  oddGroups: "products",
  upsample: "expand",
};

/** By name. */
export const cudaVariants: Readonly<Record<string, CudaChoices>> = {
  plain: { ...channelsLast, layout: "first", linear: "gemm" },
  "plain-matmul": { ...channelsLast, layout: "first" },
  nhwc: channelsLast,
  "nhwc-gemm": { ...channelsLast, linear: "gemm" },
  "nhwc-per-sample": { ...channelsLast, timedNorm: "perSample" },
  "nhwc-each": { ...channelsLast, conditioning: "each" },
  "nhwc-biasadd": { ...channelsLast, biasAddFrom: 0 },
  "nhwc-no-biasadd": { ...channelsLast, biasAddFrom: Infinity },
  "nhwc-concat": { ...channelsLast, upsample: "concat" },
  "nhwc-instance": { ...channelsLast, oddGroups: "instance" },
  "nhwc-reductions": { ...channelsLast, oddGroups: "reductions" },
};

export const cudaDefault: CudaChoices = channelsLast;
