/**
 * @module onnx/cuda-memory
 * How much of a GPU's memory a lowered graph takes on onnxruntime's CUDA provider.
 */

import { sum } from "../math/statistics.ts";
import type { Graph } from "./graph.ts";
import { type GraphMemory, graphMemory } from "./memory.ts";
import type { DeviceMemory } from "./webgpu-memory.ts";

/** Weights and values as the graphs have them; the kernels' own workspace and CUDA's context are not in it. */
export function cudaMemory(graphs: readonly Graph[]): DeviceMemory {
  const bytesOf = (memory: GraphMemory): number =>
    memory.fileBytes + memory.constantBytes + memory.valueBytes + memory.inputBytes + memory.outputBytes;
  const needsBytes = sum(graphs.map((graph) => bytesOf(graphMemory(graph))));
  return { needsBytes, takesBytes: needsBytes };
}
