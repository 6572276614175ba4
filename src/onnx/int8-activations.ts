/**
 * @module onnx/int8-activations
 * Marks a network's layers to be computed on activations of 8 or 7 bits. What a mark means is a device's choice, and only
 * layers whose weights are int8 rows follow it.
 */

import type { Graph } from "./graph.ts";
import { int } from "./ops.ts";

/** 7 for CPUs that cannot sum products of 8 bits exactly (runtime/int8-products). */
export type ActivationBits = 7 | 8;

export const withInt8Activations =
  (bits: ActivationBits) =>
  (graph: Graph): Graph => {
    const nodes = graph.nodes.map((node) =>
      node.op === "Linear" ? { ...node, attributes: { ...node.attributes, activationBits: int(bits) } } : node,
    );
    return { ...graph, nodes };
  };
