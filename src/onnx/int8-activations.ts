/**
 * @module onnx/int8-activations
 * Marks a network's layers to be computed on int8 activations. What a mark means is a device's choice, and only layers
 * whose weights are int8 rows follow it.
 */

import type { Graph } from "./graph.ts";

export function withInt8Activations(graph: Graph): Graph {
  const activations = { kind: "string", value: "int8" } as const;
  const nodes = graph.nodes.map((node) =>
    node.op === "Linear" ? { ...node, attributes: { ...node.attributes, activations } } : node,
  );
  return { ...graph, nodes };
}
