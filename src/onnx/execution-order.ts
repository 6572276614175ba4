/**
 * @module onnx/execution-order
 * The order in which onnxruntime runs a graph's nodes: depth first from the end, each node after its inputs, of several
 * inputs the one whose node stands last in the file first. Source: onnxruntime, `Graph::ReverseDFSFrom` as called by
 * `GraphViewer`, with its default execution order.
 */

import type { Graph, Node } from "./graph.ts";

/** @returns the nodes in that order. */
export function executionOrder(graph: Graph): readonly Node[] {
  const indexOf = new Map(graph.nodes.map((node, index) => [node.output.name, index]));
  const inputsOf = graph.nodes.map((node) => producers(node, indexOf));
  const consumed = new Set(inputsOf.flat());
  const order: Node[] = [];
  const visited = new Set<number>();
  // A pair on the stack: which node, and whether its inputs are done.
  const stack = [...graph.nodes.keys()]
    .filter((index) => !consumed.has(index))
    .map((index) => ({ index, done: false }));
  for (let top = stack.pop(); top; top = stack.pop()) {
    const node = graph.nodes[top.index];
    if (node && top.done) order.push(node);
    if (top.done || visited.has(top.index)) continue;
    visited.add(top.index);
    stack.push({ index: top.index, done: true });
    for (const index of inputsOf[top.index] ?? []) if (!visited.has(index)) stack.push({ index, done: false });
  }
  return order;
}

/** Ascending: the last one pushed is the first one visited. */
function producers(node: Node, indexOf: ReadonlyMap<string, number>): number[] {
  const indices = node.inputs.map((value) => (value ? indexOf.get(value.name) : undefined));
  return [...new Set(indices.filter((index) => index !== undefined))].sort((a, b) => a - b);
}
