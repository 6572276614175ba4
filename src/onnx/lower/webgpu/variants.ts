/**
 * @module onnx/lower/webgpu/variants
 * The ways in which the WebGPU lowering can decompose a network, so that they can be timed against each other on a GPU.
 * Names are stable: a measurement's log refers to them. `webgpu(type, choices)` lowers by them.
 */

import type { BufferCacheMode } from "../../webgpu-memory.ts";

/** What a network's larger operations become on WebGPU. */
export interface WebgpuChoices {
  /**
   * `blocks` is for the weights of `--unet-bits 8` (weights/unet-blocks): layers whose weights lie in blocks become
   * MatMulNBits, 3x3 convolutions too, and feature maps lie channels-last. `stored` is for weights as a checkpoint has
   * them: MatMul and Conv.
   */
  readonly weights: "stored" | "blocks";
  /** `plain` products and a softmax; `fused` MultiHeadAttention. */
  readonly attention: "plain" | "fused";
  /** Group norms in rows (webgpu-norm): of feature maps of so many numbers and more in pieces, smaller ones turned. */
  readonly piecesFrom: number;
  /**
   * How the provider keeps dead buffers (onnx/webgpu-memory). In blocks, a step takes 1.1 to 1.6 times as long with the
   * provider's own way, `bucket`; for networks as stored it is the one whose memory was measured.
   */
  readonly bufferCache: BufferCacheMode;
}

const stored: WebgpuChoices = { weights: "stored", attention: "plain", piecesFrom: Infinity, bufferCache: "bucket" };
const blocks: WebgpuChoices = {
  weights: "blocks",
  attention: "plain",
  piecesFrom: 5.5 * 2 ** 20,
  bufferCache: "simple",
};
const blocksFused: WebgpuChoices = { ...blocks, attention: "fused" };

/** By name. */
export const webgpuVariants: Readonly<Record<string, WebgpuChoices>> = {
  stored,
  "stored-fused": { ...stored, attention: "fused" },
  blocks,
  "blocks-fused": blocksFused,
  "blocks-fused-turned": { ...blocksFused, piecesFrom: Infinity },
  "blocks-fused-pieces": { ...blocksFused, piecesFrom: 2 ** 21 },
};

/**
 * What runs when nobody chooses, by how the weights lie. In blocks: the fastest for all three UNets at full size on one
 * NVIDIA H200, with the error of the others (docs/notebook/webgpu.md). As stored: `stored-fused` was not measured at full size.
 */
export const webgpuDefaults: Readonly<Record<WebgpuChoices["weights"], WebgpuChoices>> = {
  stored,
  blocks: blocksFused,
};
