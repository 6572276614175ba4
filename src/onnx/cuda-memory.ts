/**
 * @module onnx/cuda-memory
 * How much of a GPU's memory lowered graphs take on onnxruntime's CUDA provider. Fitted to IF-I-XL, IF-II-L and the x4 UNet at
 * batches of 2 and 8 in float16 on one NVIDIA H200 (docs/notebook/cuda.md); other GPUs and drivers were not measured.
 */

import { sum } from "../math/statistics.ts";
import type { Graph } from "./graph.ts";
import { graphMemory } from "./memory.ts";
import type { DeviceMemory } from "./webgpu-memory.ts";

/**
 * CUDA's context, the libraries' handles and a session's own, with kernels loaded. With onnxruntime 1.30 and CUDA 13 so that
 * IF-I-XL's 10.83 GB (one image) and 11.78 GB (four) are met to 1 %.
 */
const CONTEXT_BYTES = 1.6e9;
/** The same without convolutions, and so without cuDNN's libraries: T5-XXL in 8 bits took 8.70 GB (3 % below this). */
const CONTEXT_WITHOUT_CONVOLUTIONS_BYTES = 0.45e9;
/** Weights, and what is left over where kernels are turned when the session is made. */
const WEIGHT_SHARE = 1.03;
/** Of what values take at one moment: with the convolutions' workspace, in the first run (3 % below to 16 % above). */
const NEEDED_SHARE = 1.4;
/** The same once memory is free: from the second run on, one block for all (0 to 24 % above what was measured). */
const TAKEN_SHARE = 3;

export function cudaMemory(graphs: readonly Graph[]): DeviceMemory {
  const memories = graphs.map((graph) => graphMemory(graph));
  const weights = WEIGHT_SHARE * sum(memories.map(({ fileBytes, constantBytes }) => fileBytes + constantBytes));
  const values = sum(memories.map(({ valueBytes }) => valueBytes));
  const convolves = graphs.some(({ nodes }) => nodes.some(({ op }) => op.endsWith("Conv")));
  const fixed = (convolves ? CONTEXT_BYTES : CONTEXT_WITHOUT_CONVOLUTIONS_BYTES) + weights;
  return { needsBytes: fixed + NEEDED_SHARE * values, takesBytes: fixed + TAKEN_SHARE * values };
}
