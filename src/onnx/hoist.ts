/**
 * @module onnx/hoist
 * A network that runs again and again with some of its inputs unchanged, in two: what depends on the unchanged inputs
 * alone, to be run once (a UNet's text: keys, values, the pooled vector), and the rest, which takes the results as inputs.
 */

import type { Graph, Node, Value } from "./graph.ts";

export interface HoistedGraph {
  /** Its outputs are the further inputs of `rest`, by name. */
  readonly once: Graph;
  readonly rest: Graph;
}

/**
 * @param varying names of the inputs that differ from run to run.
 * @returns undefined: nothing can be computed beforehand.
 */
export function hoist(graph: Graph, varying: readonly string[]): HoistedGraph | undefined {
  const changing = new Set(varying);
  const isChanging = (value: Value | null): boolean => value !== null && changing.has(value.name);
  const rest: Node[] = [];
  const once: Node[] = [];
  const fixed = new Set<string>(); // made of unchanged inputs: not of weights and constants alone
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  for (const node of graph.nodes) {
    if (node.inputs.some(isChanging)) {
      changing.add(node.output.name);
      rest.push(node);
      continue;
    }
    if (node.inputs.some((value) => value && (inputs.has(value.name) || fixed.has(value.name)))) {
      fixed.add(node.output.name);
    }
    once.push(node);
  }
  const needed = new Map<string, Value>();
  for (const value of rest.flatMap(({ inputs: of }) => of)) {
    if (value && fixed.has(value.name)) needed.set(value.name, value);
  }
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  if (needed.size === 0 || once.some(({ output }) => outputs.has(output.name))) return undefined;

  const taps = [...needed.values()].map((value, index): Node => {
    const output = { ...value, name: `hoisted_${index}` };
    return { name: output.name, op: "Identity", inputs: [value], output, attributes: {} };
  });
  const replaced = new Map(taps.map(({ inputs: [value], output }) => [value?.name, output]));
  const unhoisted = once.filter(({ output }) => !fixed.has(output.name)); // of weights alone: each side has its own
  const restNodes = [...unhoisted, ...rest].map((node) => ({
    ...node,
    inputs: node.inputs.map((value) => (value && replaced.get(value.name)) ?? value),
  }));
  const hoistedInputs = taps.map(({ output }) => output);
  return {
    once: partOf(graph, `${graph.name}, once`, used([...once, ...taps]), [], hoistedInputs),
    rest: partOf(graph, graph.name, used(restNodes), hoistedInputs, graph.outputs),
  };
}

/** Nodes whose result is read by another one, or is an output: they are given in the order in which they run. */
function used(nodes: readonly Node[]): Node[] {
  const read = new Set<string>();
  const kept: Node[] = [];
  for (const node of nodes.toReversed()) {
    if (node.op !== "Identity" && !read.has(node.output.name)) continue;
    for (const value of node.inputs) if (value) read.add(value.name);
    kept.push(node);
  }
  return kept.reverse();
}

function partOf(
  graph: Graph,
  name: string,
  nodes: readonly Node[],
  further: readonly Value[],
  outputs: readonly Value[],
): Graph {
  const read = new Set(nodes.flatMap(({ inputs }) => inputs.map((value) => value?.name)));
  const isRead = (value: Value): boolean => read.has(value.name);
  return {
    ...graph,
    name,
    nodes,
    outputs,
    inputs: [...graph.inputs.filter(isRead), ...further],
    parameters: graph.parameters.filter(({ value }) => isRead(value)),
    constants: graph.constants.filter(({ value }) => isRead(value)),
    modules: new Map(),
  };
}
