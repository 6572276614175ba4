/**
 * @module onnx/cuda-memory
 * How much of a GPU's memory lowered graphs take on onnxruntime's CUDA provider. Fitted to IF-I-XL, IF-II-L and the x4 UNet at
 * batches of 2 and 8 in float16 and of 2 in 8 bits on NVIDIA H200s (docs/notebook/cuda.md); other GPUs and drivers were not measured.
 */

import { sum } from "../math/statistics.ts";
import type { Graph } from "./graph.ts";
import { graphMemory } from "./memory.ts";
import type { LoweringSettings } from "./lower/providers.ts";
import type { DeviceMemory } from "./webgpu-memory.ts";

/** CUDA's context, the libraries' handles, a session's own and the convolutions' workspace, with kernels loaded. */
const CONTEXT_BYTES = 1.4e9;
/** The same without convolutions, and so without cuDNN's libraries: T5-XXL in 8 bits took 8.70 GB (4 % below this). */
const CONTEXT_WITHOUT_CONVOLUTIONS_BYTES = 0.55e9;
/** With convolutions, before the first run: no workspace yet. 3.67 and 2.17 GB were measured with 2.49 and 0.95 of weights. */
const LOADED_CONTEXT_BYTES = 1.2e9;
/** Weights, and what is left over where kernels are turned when the session is made. */
const WEIGHT_SHARE = 1.03;
/** Of what values take at one moment, in the first run: with weights and context 2 % below to 13 % above what was measured. */
const NEEDED_SHARE = 1.2;
/** The same of convolutions in float32, the VAE's decoder: 8.25 GB from the second run on at 1024 px, and less than 3.94 in the first. */
const NEEDED_SHARE_FLOAT32 = 0.92;
/**
 * Where weights are unpacked as they are used, each in a buffer of its own, that is taken besides values. In 8 bits IF-I-XL took 6.70 GB,
 * IF-II-L 4.35 and the x4 UNet 3.94: 0, 3 and 0 % below this.
 */
const UNPACKED_BYTES = 0.77e9;
/**
 * From the second run on values lie in one block. One of up to a GiB is found in what the first run left; a larger one is taken
 * anew where it is free, in a power of two: 2 GiB for 1.1 and 1.4 of values, 4 for 2.7, 8 for 4.4 were measured.
 */
const BLOCK_BYTES = 2 ** 30;

export function cudaMemory(
  graphs: readonly Graph[],
  { weightFormat, computeType }: Pick<LoweringSettings, "weightFormat" | "computeType">,
): DeviceMemory {
  const memories = graphs.map((graph) => graphMemory(graph));
  const weights = WEIGHT_SHARE * sum(memories.map(({ fileBytes, constantBytes }) => fileBytes + constantBytes));
  const values = sum(memories.map(({ valueBytes }) => valueBytes));
  const convolves = graphs.some(({ nodes }) => nodes.some(({ op }) => op.endsWith("Conv")));
  const fixed = (convolves ? CONTEXT_BYTES : CONTEXT_WITHOUT_CONVOLUTIONS_BYTES) + weights;
  const isUnpacked = weightFormat === "blocks";
  const share = convolves && computeType === "float32" ? NEEDED_SHARE_FLOAT32 : NEEDED_SHARE;
  const needsBytes = fixed + (isUnpacked ? UNPACKED_BYTES + values : share * values);
  const block = values > BLOCK_BYTES && !isUnpacked ? 2 ** Math.ceil(Math.log2(values)) : 0;
  const loadedBytes = Math.min(needsBytes, LOADED_CONTEXT_BYTES + weights);
  return { needsBytes, takesBytes: needsBytes + block, loadedBytes };
}
