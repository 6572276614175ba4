/**
 * @module onnx/rebuild
 * A network written down once more, node by node: what every pass that changes layouts or operations begins with.
 */

import { type Graph, GraphBuilder, type Node, type Value } from "./graph.ts";

/** What a pass makes of a network. */
export interface Rebuilding {
  /** Writes down what becomes of a node, which is none of the outputs. The builder is open at its scope. */
  readonly visit: (node: Node) => void;
  /** What an output of the network is made from, as the network has it. @default the value of its name */
  readonly result?: (value: Value) => Value;
}

/** The values of a network, by name, as far as they are written down: at first its inputs, constants and weights. */
export class WrittenValues {
  readonly #g: GraphBuilder;
  readonly #byName = new Map<string, Value>();

  constructor(g: GraphBuilder) {
    this.#g = g;
  }

  /** @throws {Error} it is not written down yet. */
  of(value: Value): Value {
    const written = this.#byName.get(value.name);
    if (!written) throw new Error(`${value.name} is not made yet`);
    return written;
  }

  /** @returns what the inputs of a node have become. */
  inputsOf({ inputs }: Node): (Value | null)[] {
    return inputs.map((value) => value && this.of(value));
  }

  has({ name }: Value): boolean {
    return this.#byName.has(name);
  }

  set({ name }: Value, written: Value): void {
    this.#byName.set(name, written);
  }

  /** Writes a node down as it is. */
  copy(node: Node): void {
    this.set(node.output, this.#g.op(node.op, this.inputsOf(node), node.attributes));
  }
}

export function rebuild(graph: Graph, start: (g: GraphBuilder, values: WrittenValues) => Rebuilding): Graph {
  const g = new GraphBuilder(graph.name);
  const values = new WrittenValues(g);
  for (const input of graph.inputs) values.set(input, g.input(input.name, input.dtype, input.shape));
  for (const { value, data } of graph.constants) values.set(value, g.constant(data, value.shape, value.dtype));
  for (const { value, aliases } of graph.parameters) {
    values.set(value, g.parameter(value.name, value.shape, aliases));
  }
  const { visit, result = (value) => values.of(value) } = start(g, values);
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
