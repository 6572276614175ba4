/** Runs a network on the CPU for a test, with any of its modules as further outputs. */

import type { Tensor } from "../src/math/tensor.ts";
import type { Graph, Node, Value } from "../src/onnx/graph.ts";
import { type Feed, withSession } from "../src/runtime/session.ts";
import { openWeights } from "../src/weights/checkpoint.ts";
import type { Variant } from "../src/weights/variants.ts";

/** @returns outputs by name and the outputs of `modules` by their path. */
export async function runNetwork(
  graph: Graph,
  folder: string | null,
  feeds: Readonly<Record<string, Feed>>,
  { modules = [], variant }: { modules?: readonly string[]; variant?: Variant } = {},
): Promise<ReadonlyMap<string, Tensor>> {
  const weights = folder === null ? null : await openWeights(folder, variant);
  const withOutputs = withModuleOutputs(graph, modules);
  return withSession(withOutputs, weights, { executionProvider: "cpu", threads: 1 }, (run) => run(feeds));
}

/** The same graph, each named module's value being an output too. */
export function withModuleOutputs(graph: Graph, modules: readonly string[]): Graph {
  const taps = modules.map((path): Node => {
    const value = graph.modules.get(path);
    if (!value) throw new Error(`${graph.name} has no module ${path}`);
    const output: Value = { name: path, dtype: value.dtype, shape: value.shape };
    return { name: path, op: "Identity", inputs: [value], output, attributes: {} };
  });
  return {
    ...graph,
    nodes: [...graph.nodes, ...taps],
    outputs: [...graph.outputs, ...taps.map(({ output }) => output)],
  };
}
