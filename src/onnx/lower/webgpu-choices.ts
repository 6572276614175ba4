/**
 * @module onnx/lower/webgpu-choices
 * The ways in which the WebGPU lowering can spell a network, so that they can be timed against each other on a card.
 * Names are stable: a measurement's log refers to them. `lowerings.webgpu(type, choices)` lowers by them.
 */

/** What a network's larger operations become on WebGPU. */
export interface WebgpuChoices {
  /**
   * `blocks` is for the weights of `--unet-bits 8` (weights/unet-blocks): layers whose weights lie in blocks become
   * MatMulNBits, 3x3 convolutions too, and maps lie with their channels last. `stored` is for weights as a checkpoint has
   * them: MatMul and Conv.
   */
  readonly weights: "stored" | "blocks";
  /**
   * How a 3x3 convolution in blocks sums what the rows of its kernel make (webgpu-convolution): `adds` by three Gathers
   * and two sums, `sum` by one Gather and one ReduceSum.
   */
  readonly convolutions: "adds" | "sum";
  /** `plain` products and a softmax; `fused` MultiHeadAttention. */
  readonly attention: "plain" | "fused";
  /**
   * Group norms of maps with their channels last (webgpu-norm): of so many numbers and more by means over pieces, smaller
   * ones by InstanceNormalization on a copy.
   */
  readonly piecesFrom: number;
}

const stored: WebgpuChoices = { weights: "stored", convolutions: "adds", attention: "plain", piecesFrom: Infinity };
const blocks: WebgpuChoices = { ...stored, weights: "blocks" };
const blocksFusedPieces: WebgpuChoices = { ...blocks, attention: "fused", piecesFrom: 2 ** 22 };

/** By name. */
export const webgpuVariants: Readonly<Record<string, WebgpuChoices>> = {
  stored,
  "stored-fused": { ...stored, attention: "fused" },
  blocks,
  "blocks-sum": { ...blocks, convolutions: "sum" },
  "blocks-fused": { ...blocks, attention: "fused" },
  "blocks-fused-sum": { ...blocks, attention: "fused", convolutions: "sum" },
  "blocks-pieces": { ...blocks, piecesFrom: 2 ** 22 },
  "blocks-fused-pieces": blocksFusedPieces,
};

/**
 * What runs when nobody chooses, by how the weights lie. In blocks: the fastest for all three UNets at full size on one
 * NVIDIA H200, with the error of the others (docs/performance.md). As stored: `stored-fused` was not measured at full size.
 */
export const webgpuDefaults: Readonly<Record<WebgpuChoices["weights"], WebgpuChoices>> = {
  stored,
  blocks: blocksFusedPieces,
};
