/** Tolerance 5e-5: the reference's own fp32 runs differ by up to 3e-6 among each other. */

import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { elementCount } from "../../src/math/tensor.ts";
import { buildClipText, clipTextConfigSchema, readClipTextConfig } from "../../src/models/clip-text.ts";
import { checkGraph } from "../../src/onnx/check.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { maxAbsDifference, readModuleCases } from "../golden-module.ts";
import { goldenPath, referenceVariant } from "../golden.ts";
import { runNetwork } from "../run-graph.ts";
import { copyConfig, shapesOf } from "./checkpoint-copy.ts";

const tolerance = 5e-5;
const folder = goldenPath("checkpoints/x4-upscaler/text_encoder");
const variant = await referenceVariant(folder);
const published = fileURLToPath(new URL("../golden/configs/x4-upscaler.text_encoder.config.json", import.meta.url));
const config = await readClipTextConfig(folder);
const cases = await readModuleCases("clip_text");

describe("against transformers", () => {
  test.each(cases)("$name", async ({ inputs, outputs, taps }) => {
    const ids = inputs.get("input_ids")!;
    const [batch = 0, textLength = 0] = ids.shape;
    const graph = buildClipText(config, { batch, textLength });
    const modules = [...taps.keys()].map((name) => `text_model.${name}`);
    const results = await runNetwork(graph, folder, { input_ids: ids.data }, { modules, variant });
    const inside = [...taps].map(([name, value]) => [`text_model.${name}`, value] as const);
    const expected = [...inside, ["last_hidden_state", outputs.get("output")] as const];
    const differences = expected.map(
      ([name, value]) => [name, maxAbsDifference(results.get(name)?.data, value)] as const,
    );
    expect(differences.filter(([, difference]) => !(difference <= tolerance))).toEqual([]);
  });

  test("case 0 has a tap for each layer", () => {
    expect(cases[0]?.taps.size).toBe(config.num_hidden_layers);
  });

  test("the first tokens alone give the same, as nothing later is seen", async () => {
    const { inputs, outputs } = cases[0]!;
    const graph = buildClipText(config, { batch: 1, textLength: 5 });
    const ids = (inputs.get("input_ids")!.data as BigInt64Array).slice(0, 5);
    const results = await runNetwork(graph, folder, { input_ids: ids }, { variant });
    const data = (outputs.get("output")!.data as Float32Array).slice(0, 5 * config.hidden_size);
    const difference = maxAbsDifference(results.get("last_hidden_state")?.data, {
      shape: [1, 5, config.hidden_size],
      data,
    });
    expect(difference).toBeLessThanOrEqual(tolerance);
  });
});

test("uses every tensor of the file but position_ids, and no other", async () => {
  const { tensors } = await openWeights(folder, variant);
  const { parameters } = buildClipText(config, { batch: 1, textLength: 77 });
  expect(shapesOf(parameters.map(({ value }) => value))).toEqual(shapesOf(tensors.values()));
});

test("the published encoder has 340,387,840 parameters", async () => {
  const full = await copyConfig(published, {}, readClipTextConfig);
  const graph = buildClipText(full, { batch: 2, textLength: 77 });
  checkGraph(graph);
  expect(graph.parameters.reduce((sum, { value }) => sum + elementCount(value.shape), 0)).toBe(340_387_840);
  expect(graph.outputs.map(({ shape }) => shape)).toEqual([[2, 77, 1024]]);
});

test("absent keys take transformers' defaults", () => {
  expect(clipTextConfigSchema.parse({})).toMatchObject({
    vocab_size: 49408,
    hidden_size: 512,
    intermediate_size: 2048,
    num_hidden_layers: 12,
    num_attention_heads: 8,
    max_position_embeddings: 77,
    hidden_act: "quick_gelu",
    layer_norm_eps: 1e-5,
  });
});

test("hidden_act decides which GELU", () => {
  for (const [hidden_act, approximate] of [
    ["quick_gelu", "quick"],
    ["gelu", "none"],
  ] as const) {
    const { nodes } = buildClipText({ ...config, hidden_act }, { batch: 1, textLength: 77 });
    const kinds = nodes.filter(({ op }) => op === "Gelu").map(({ attributes }) => attributes["approximate"]?.value);
    expect(kinds).toEqual(Array(config.num_hidden_layers).fill(approximate));
  }
});

test("more tokens than positions are a mistake that is named", () => {
  expect(() => buildClipText(config, { batch: 1, textLength: 78 })).toThrow(ShapeError);
});

test.each([
  { change: { hidden_act: "relu" }, message: '`hidden_act` is "relu"' },
  { change: { num_attention_heads: 15 }, message: "`num_attention_heads` is 15" },
  { change: { model_type: "bert" }, message: '`model_type` is "bert"' },
  { change: { pooling: "mean" }, message: "Unknown key `pooling`" },
])("refuses $change", async ({ change, message }) => {
  await expect(copyConfig(published, change, readClipTextConfig)).rejects.toThrow(message);
});
