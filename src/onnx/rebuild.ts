/**
 * @module onnx/rebuild
 * A network written down once more, node by node: what every pass that changes layouts or operations begins with.
 */

import { type Graph, GraphBuilder, type Node, type Value } from "./graph.ts";

/** What a pass makes of a network. */
export interface Rebuilding {
  /** Writes down what becomes of a node, which is none of the outputs. The builder is open at its scope. */
  readonly visit: (node: Node) => void;
  /** What an output of the network is made from, as the network has it. */
  readonly result: (value: Value) => Value;
}

/** @param start given the builder and, by name, the inputs, constants and weights in it. */
export function rebuild(
  graph: Graph,
  start: (g: GraphBuilder, values: ReadonlyMap<string, Value>) => Rebuilding,
): Graph {
  const g = new GraphBuilder(graph.name);
  const values = new Map<string, Value>();
  for (const { name, dtype, shape } of graph.inputs) values.set(name, g.input(name, dtype, shape));
  for (const { value, data } of graph.constants) values.set(value.name, g.constant(data, value.shape, value.dtype));
  for (const { value, aliases } of graph.parameters) {
    values.set(value.name, g.parameter(value.name, value.shape, aliases));
  }
  const { visit, result } = start(g, values);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  for (const node of graph.nodes) {
    const [first] = node.inputs;
    if (outputs.has(node.output.name) && first) {
      g.output(node.output.name, result(first));
      continue;
    }
    const path = node.name.slice(0, node.name.lastIndexOf("/"));
    if (path === "") visit(node);
    else g.scope(path, () => visit(node));
  }
  return g.finish();
}
