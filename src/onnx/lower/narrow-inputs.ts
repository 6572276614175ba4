/**
 * @module onnx/lower/narrow-inputs
 * Texts that a network casts before all else are fed in the type that it computes in: half of the bytes on the way to a GPU, in
 * each step. That of a guidance pair is 2.5 MB in float32, 0.25 ms. Images change in each step; casting them here takes longer.
 */

import type { DType, Graph, Node, Value } from "../graph.ts";
import { textOf } from "../shapes.ts";

/** Texts are (B, L, E). */
const TEXT_RANK = 3;

/** @returns the same graph; its float32 texts that are only cast to `type` are of that type. */
export function narrowInputs(graph: Graph, type: DType): Graph {
  const casts = new Set<Node>();
  const narrow = new Map<string, Value>();
  for (const input of graph.inputs) {
    const isText = input.shape.length === TEXT_RANK && input.dtype === "float32" && type !== "float32";
    const readers = graph.nodes.filter(({ inputs }) => inputs.some((value) => value?.name === input.name));
    const areCasts = readers.every(({ op, attributes }) => op === "Cast" && textOf(attributes, "to") === type);
    if (!isText || !areCasts || readers.length === 0) continue;
    const value = { ...input, dtype: type };
    narrow.set(input.name, value);
    for (const node of readers) {
      casts.add(node);
      narrow.set(node.output.name, value);
    }
  }
  if (narrow.size === 0) return graph;
  const renamed = (value: Value | null): Value | null => (value && narrow.get(value.name)) ?? value;
  return {
    ...graph,
    inputs: graph.inputs.map((input) => narrow.get(input.name) ?? input),
    nodes: graph.nodes
      .filter((node) => !casts.has(node))
      .map((node) => ({ ...node, inputs: node.inputs.map(renamed) })),
  };
}
