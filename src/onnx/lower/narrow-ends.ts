/**
 * @module onnx/lower/narrow-ends
 * What a network casts before all else is fed in the type that it computes in: half of the bytes on the way to a GPU, in each
 * step. A guidance pair's text is 2.5 MB in float32, 0.25 ms. Images change in each step, and casting them takes longer in the thread
 * that calls the network: they are narrowed, as inputs and as outputs, only where other threads cast them.
 */

import type { DType, Graph, Node, Value } from "../graph.ts";
import { textOf } from "../shapes.ts";

/** Texts are (B, L, E), images (B, C, H, W). */
const [TEXT_RANK, IMAGE_RANK] = [3, 4];

export const isText = ({ shape }: Pick<Value, "shape">): boolean => shape.length === TEXT_RANK;
const isImage = ({ shape }: Pick<Value, "shape">): boolean => shape.length === IMAGE_RANK;

/**
 * @returns the same graph, whose float32 texts that are only cast to `type` are of that type, and with them
 * @param images those that are only cast to it or, among the outputs, from it.
 */
export function narrowEnds(graph: Graph, type: DType, images: boolean): Graph {
  if (type === "float32") return graph;
  const narrowed = narrowInputs(graph, type, (input) => isText(input) || (images && isImage(input)));
  return images ? narrowOutputs(narrowed, type) : narrowed;
}

function narrowInputs(graph: Graph, type: DType, isNarrowed: (input: Value) => boolean): Graph {
  const casts = new Set<Node>();
  const narrow = new Map<string, Value>();
  for (const input of graph.inputs.filter((value) => value.dtype === "float32" && isNarrowed(value))) {
    const found = readersUpToCasts(graph, input, type);
    if (!found) continue;
    const value = { ...input, dtype: type };
    narrow.set(input.name, value);
    for (const { output } of found.moves) narrow.set(output.name, { ...output, dtype: type });
    for (const node of found.casts) {
      casts.add(node);
      narrow.set(node.output.name, narrow.get(node.inputs[0]?.name ?? "") ?? value);
    }
  }
  if (narrow.size === 0) return graph;
  const renamed = (value: Value): Value => narrow.get(value.name) ?? value;
  return {
    ...graph,
    inputs: graph.inputs.map(renamed),
    nodes: graph.nodes
      .filter((node) => !casts.has(node))
      .map((node) => ({
        ...node,
        inputs: node.inputs.map((value) => value && renamed(value)),
        output: renamed(node.output),
      })),
  };
}

/** Gives numbers of any type as they are. */
const MOVES = new Set(["Transpose", "Identity"]);

/** @returns the casts of a value to `type`, and what only moves its numbers before; undefined: something else reads it. */
function readersUpToCasts(
  graph: Graph,
  value: Value,
  type: DType,
): { readonly moves: readonly Node[]; readonly casts: readonly Node[] } | undefined {
  const readers = graph.nodes.filter(({ inputs }) => inputs.some((input) => input?.name === value.name));
  if (readers.length === 0) return undefined;
  const [moves, casts]: [Node[], Node[]] = [[], []];
  for (const node of readers) {
    if (node.op === "Cast" && textOf(node.attributes, "to") === type) {
      casts.push(node);
    } else {
      const further = MOVES.has(node.op) ? readersUpToCasts(graph, node.output, type) : undefined;
      if (!further) return undefined;
      moves.push(node, ...further.moves);
      casts.push(...further.casts);
    }
  }
  return { moves, casts };
}

/** An output is an Identity of the value that it is. */
function narrowOutputs(graph: Graph, type: DType): Graph {
  const makers = new Map(graph.nodes.map((node) => [node.output.name, node]));
  const narrow = new Map<string, Node>();
  for (const output of graph.outputs.filter((value) => value.dtype === "float32" && isImage(value))) {
    const identity = makers.get(output.name);
    const cast = identity?.op === "Identity" ? makers.get(identity.inputs[0]?.name ?? "") : undefined;
    const [source] = cast?.op === "Cast" ? cast.inputs : [];
    if (!identity || source?.dtype !== type) continue;
    narrow.set(output.name, { ...identity, inputs: [source], output: { ...output, dtype: type } });
  }
  if (narrow.size === 0) return graph;
  const nodes = graph.nodes.map((node) => narrow.get(node.output.name) ?? node);
  const read = new Set(nodes.flatMap(({ inputs }) => inputs.map((input) => input?.name)));
  return {
    ...graph,
    outputs: graph.outputs.map((output) => narrow.get(output.name)?.output ?? output),
    nodes: nodes.filter(({ op, output }) => op !== "Cast" || read.has(output.name) || narrow.has(output.name)),
  };
}
