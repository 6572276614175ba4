import { expect, test } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { checkGraph } from "../../src/onnx/check.ts";
import { type Graph, GraphBuilder, type Node } from "../../src/onnx/graph.ts";
import * as ops from "../../src/onnx/ops.ts";

function twoLayers(): Graph {
  const g = new GraphBuilder("two layers");
  const x = g.input("x", "float32", [2, 5, 8]);
  const y = g.scope("encoder.block.0", () =>
    g.scope("layer", () => ops.linear(g, x, g.parameter("weight", [16, 8]), g.parameter("bias", [16]))),
  );
  g.output("y", ops.silu(g, y));
  return g.finish();
}

test("weights are named by their scopes with dots, nodes with a slash before the operation", () => {
  const graph = twoLayers();
  expect(graph.parameters.map(({ value }) => value.name)).toEqual([
    "encoder.block.0.layer.weight",
    "encoder.block.0.layer.bias",
  ]);
  expect(graph.nodes[0]?.name).toMatch(/^encoder\.block\.0\.layer\/Linear_\d+$/);
  expect(graph.modules.get("encoder.block.0.layer")?.shape).toEqual([2, 5, 16]);
});

test("the same weight asked for twice is one weight", () => {
  const g = new GraphBuilder("shared");
  expect(g.parameter("w", [2])).toBe(g.parameter("w", [2]));
  expect(g.finish().parameters).toHaveLength(1);
});

test("a shape that does not fit names graph, layer and weight", () => {
  const g = new GraphBuilder("broken");
  const x = g.input("x", "float32", [2, 7]);
  const build = () => g.scope("proj", () => ops.linear(g, x, g.parameter("weight", [16, 8]), null));
  expect(build).toThrow(/broken: proj\/Linear_\d+: \[2, 7\] does not fit the weight proj\.weight \[16, 8\]/);
});

test("weight nodes come before all others, whenever they were added", () => {
  const g = new GraphBuilder("order");
  const x = g.input("x", "float32", [3]);
  const first = ops.silu(g, x);
  const weight = g.weightOp("Identity", [g.parameter("w", [3])]);
  g.output("y", ops.add(g, first, weight));
  expect(g.finish().nodes.map(({ op }) => op)).toEqual(["Identity", "Silu", "Add", "Identity"]);
});

const breakages: Record<string, (graph: Graph) => Graph> = {
  "nodes in the wrong order": (graph) => ({ ...graph, nodes: graph.nodes.toReversed() }),
  "a name that stands twice": (graph) => ({ ...graph, inputs: [...graph.inputs, ...graph.inputs] }),
  "an output that nothing makes": (graph) => ({ ...graph, nodes: graph.nodes.slice(0, -1) }),
  "a shape that is not what the operation gives": (graph) => ({
    ...graph,
    nodes: graph.nodes.map((node): Node => ({ ...node, output: { ...node.output, shape: [1] } })),
  }),
};

test.each(Object.entries(breakages))("the check finds %s", (_, breakIt) => {
  expect(() => checkGraph(twoLayers())).not.toThrow();
  expect(() => checkGraph(breakIt(twoLayers()))).toThrow(ShapeError);
});
