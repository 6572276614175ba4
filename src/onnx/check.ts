/**
 * @module onnx/check
 * Is this graph whole? Run after building and after lowering, before anything leaves: a mistake here is ours.
 */

import { ShapeError } from "../errors.ts";
import { type Graph, type Node, type Value, isInferred } from "./graph.ts";
import { inferOutput } from "./shapes.ts";

/**
 * Each input is made earlier, each name stands once, each shape is what its operation gives (a builder's nodes have it by
 * construction).
 * @throws {ShapeError} naming the graph and the node.
 */
export function checkGraph(graph: Graph): void {
  const values = new Map<string, Value>();
  const make = (value: Value, by: string): void => {
    if (values.has(value.name)) throw new ShapeError(`${graph.name}: ${by}: the name ${value.name} stands twice`);
    values.set(value.name, value);
  };
  for (const value of graph.inputs) make(value, "inputs");
  for (const { value } of graph.parameters) make(value, "parameters");
  for (const { value } of graph.constants) make(value, "constants");
  for (const { value } of graph.fileWeights) make(value, "weights");
  for (const node of graph.nodes) {
    checkNode(graph.name, node, values);
    make(node.output, node.name);
  }
  for (const value of graph.outputs) {
    if (!values.has(value.name)) throw new ShapeError(`${graph.name}: nothing makes the output ${value.name}`);
  }
}

function checkNode(graph: string, node: Node, values: ReadonlyMap<string, Value>): void {
  for (const input of node.inputs) {
    if (input && values.get(input.name) !== input) {
      throw new ShapeError(`${graph}: ${node.name}: its input ${input.name} is not made before it`);
    }
  }
  if (isInferred(node)) return;
  const inferred = inferOutput(node.op, node.inputs, node.attributes);
  const declared = node.output;
  if (inferred.dtype !== declared.dtype || inferred.shape.join() !== declared.shape.join()) {
    throw new ShapeError(
      `${graph}: ${node.name}: says ${declared.dtype} [${declared.shape.join(", ")}], ` +
        `gives ${inferred.dtype} [${inferred.shape.join(", ")}]`,
    );
  }
}
