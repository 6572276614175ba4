import { expect, test } from "vitest";
import { causalBias, paddingBias } from "../../src/models/attention-bias.ts";
import { GraphBuilder } from "../../src/onnx/graph.ts";
import { runNetwork } from "../run-graph.ts";

const lowest = -3.4028234663852886e38; // torch.finfo(torch.float32).min

test("padding is hidden with the lowest float32, from every query", async () => {
  const g = new GraphBuilder("padding");
  const bias = paddingBias(g, g.input("attention_mask", "int64", [2, 3]));
  g.output("bias", bias);
  const results = await runNetwork(g.finish(), null, { attention_mask: BigInt64Array.of(1n, 1n, 0n, 1n, 0n, 0n) });
  expect(bias.shape).toEqual([2, 1, 1, 3]);
  expect(results.get("bias")?.data).toEqual(Float32Array.of(0, 0, lowest, 0, lowest, lowest));
});

test("a causal query sees itself and what came before", () => {
  const g = new GraphBuilder("causal");
  const bias = causalBias(g, 3);
  expect(bias.shape).toEqual([1, 1, 3, 3]);
  expect(g.finish().constants[0]?.data).toEqual(Float32Array.of(0, lowest, lowest, 0, 0, lowest, 0, 0, 0));
});
