/**
 * @module onnx/hoist
 * A network that runs again and again with some of its inputs unchanged, in two: what depends on the unchanged inputs
 * alone, to be run once (a UNet's text: keys, values, the pooled vector), and the rest, which takes the results as inputs.
 */

import type { Graph, Node, Value } from "./graph.ts";
import * as ops from "./ops.ts";

export interface HoistedGraph {
  /** Its outputs are the further inputs of `rest`, by name. */
  readonly once: Graph;
  readonly rest: Graph;
}

/** How results lie between the two parts. */
export interface HoistedForm {
  readonly dtype: "float32" | "float16";
  /** Tokens (B, L, C) as (L, B, C): for lowerings that take them in rows (onnx/lower/webgpu/channels-last). */
  readonly tokensFirst: boolean;
}

/**
 * @param varying names of the inputs that differ from run to run.
 * @returns undefined: nothing can be computed beforehand.
 */
export function hoist(
  graph: Graph,
  varying: readonly string[],
  form: HoistedForm = { dtype: "float32", tokensFirst: false },
): HoistedGraph | undefined {
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
  for (const value of rest.flatMap((node) => node.inputs)) {
    if (value && fixed.has(value.name)) needed.set(value.name, value);
  }
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  if (needed.size === 0 || once.some(({ output }) => outputs.has(output.name))) return undefined;

  const taps = [...needed.values()].map((value, index) => tap(value, `hoisted_${index}`, form));
  const replaced = new Map(taps.map(({ value, read }) => [value.name, read]));
  const unhoisted = once.filter(({ output }) => !fixed.has(output.name)); // of weights alone: each side has its own
  const restNodes = [...unhoisted, ...rest].map((node) => ({
    ...node,
    inputs: node.inputs.map((value) => (value && replaced.get(value.name)) ?? value),
  }));
  const kept = new Set(taps.map(({ passed }) => passed.name));
  const passed = taps.map((one) => one.passed);
  const onceNodes = used([...once, ...taps.flatMap(({ writes }) => writes)], kept);
  const taken = used([...taps.flatMap(({ reads }) => reads), ...restNodes], outputs);
  return {
    once: partOf(graph, `${graph.name}, once`, onceNodes, [], passed),
    rest: partOf(graph, graph.name, taken, passed, graph.outputs),
  };
}

interface Tap {
  readonly value: Value;
  /** What goes from one part to the other, and the nodes that make it. */
  readonly passed: Value;
  readonly writes: readonly Node[];
  /** What stands for `value` in the other part, and the nodes that make it. */
  readonly read: Value;
  readonly reads: readonly Node[];
}

function tap(value: Value, name: string, { dtype, tokensFirst }: HoistedForm): Tap {
  const swap = tokensFirst && value.shape.length === 3;
  const [batch = 0, length = 0, ...features] = value.shape;
  const shape = swap ? [length, batch, ...features] : value.shape;
  const swapped = { perm: ops.ints([1, 0, 2]) };
  const node = (op: string, suffix: string, input: Value, output: Omit<Value, "name">, attributes = {}): Node => {
    const value = { ...output, name: `${name}${suffix}` };
    return { name: value.name, op, inputs: [input], output: value, attributes };
  };
  const turn = swap ? node("Transpose", "/written", value, { dtype: value.dtype, shape }, swapped) : undefined;
  const last = turn?.output ?? value;
  const isCast = dtype !== value.dtype;
  const write = node(isCast ? "Cast" : "Identity", "", last, { dtype, shape }, isCast ? { to: ops.text(dtype) } : {});
  const passed = write.output;
  const back = isCast
    ? node("Cast", "/read", passed, { dtype: value.dtype, shape }, { to: ops.text(value.dtype) })
    : undefined;
  const whole = back?.output ?? passed;
  const turnedBack = swap ? node("Transpose", "/turned", whole, value, swapped) : undefined;
  return {
    value,
    passed,
    writes: [...(turn ? [turn] : []), write],
    read: turnedBack?.output ?? whole,
    reads: [...(back ? [back] : []), ...(turnedBack ? [turnedBack] : [])],
  };
}

/** Nodes whose result is read by another one, or is in `ends`: they are given in the order in which they run. */
function used(nodes: readonly Node[], ends: ReadonlySet<string>): Node[] {
  const read = new Set<string>();
  const kept: Node[] = [];
  for (const node of nodes.toReversed()) {
    if (!ends.has(node.output.name) && !read.has(node.output.name)) continue;
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
