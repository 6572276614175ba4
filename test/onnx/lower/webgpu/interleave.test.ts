import { expect, test } from "vitest";
import { GraphBuilder } from "../../../../src/onnx/graph.ts";
import { interleave } from "../../../../src/onnx/lower/webgpu/interleave.ts";
import { withSession } from "../../../../src/runtime/session.ts";

test.each([
  [4, 1, "Add"],
  [512, 1, "Add"],
  [4, 1000, "Concat"],
  [3, 1, "Concat"],
])("rows of %i numbers, large from %i on, by %s: the second's behind the first's", async (width, large, op) => {
  const g = new GraphBuilder("test");
  const [a, b] = ["a", "b"].map((name) => g.input(name, "float32", [3, 1, width]));
  g.output("both", interleave(g, [a!, b!], large));
  const graph = g.finish();
  expect(graph.nodes.some((node) => node.op === op)).toBe(true);
  const numbers = (from: number): Float32Array => Float32Array.from({ length: 3 * width }, (_, at) => from + at);
  const [first, second] = [numbers(1), numbers(-9000)];
  await withSession(graph, null, { executionProvider: "cpu" }, async (run) => {
    const both = (await run({ a: first, b: second })).get("both");
    const row = (data: Float32Array, at: number): number[] => [...data.subarray(at * width, (at + 1) * width)];
    expect(both?.shape).toEqual([3, 2, width]);
    expect([...(both?.data ?? [])]).toEqual([0, 1, 2].flatMap((at) => [...row(first, at), ...row(second, at)]));
  });
});
