/** Tolerance 5e-5: the reference's own fp32 runs lie up to 4e-6 from float64. */

import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { elementCount } from "../../src/math/tensor.ts";
import { buildT5Encoder, readT5EncoderConfig, t5EncoderConfigSchema } from "../../src/models/t5-encoder.ts";
import { checkGraph } from "../../src/onnx/check.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { readSafetensorsHeader, readTensor } from "../../src/weights/safetensors.ts";
import { type ModuleCase, maxAbsDifference, readModuleCases } from "../golden-module.ts";
import { goldenPath, hasGolden } from "../golden.ts";
import { runNetwork } from "../run-graph.ts";
import { copyConfig, shapesOf } from "./checkpoint-copy.ts";

const tolerance = 5e-5;
const folder = goldenPath("checkpoints/if-i/text_encoder");
const published = fileURLToPath(new URL("../golden/configs/IF-I-XL-v1.0.text_encoder.config.json", import.meta.url));
const config = await readT5EncoderConfig(folder);
const cases = await readModuleCases("t5");

function prepare({ inputs }: ModuleCase) {
  const ids = inputs.get("input_ids")!;
  const [batch = 0, textLength = 0] = ids.shape;
  const attention_mask = inputs.get("attention_mask")?.data ?? new BigInt64Array(ids.data.length).fill(1n);
  return { graph: buildT5Encoder(config, { batch, textLength }), feeds: { input_ids: ids.data, attention_mask } };
}

describe("against transformers", () => {
  test.each(cases)("$name", async (golden) => {
    const { graph, feeds } = prepare(golden);
    const modules = [...golden.taps.keys()];
    const results = await runNetwork(graph, folder, feeds, { modules, variant: "fp32" });
    const expected = [...golden.taps, ["last_hidden_state", golden.outputs.get("output")] as const];
    const differences = expected.map(
      ([name, value]) => [name, maxAbsDifference(results.get(name)?.data, value)] as const,
    );
    expect(differences.filter(([, difference]) => !(difference <= tolerance))).toEqual([]);
  });

  test("case 0 has taps to compare layer by layer", () => {
    expect(cases[0]?.taps.size).toBeGreaterThanOrEqual(3);
  });

  test("a text longer than the farthest bucket is among the cases", () => {
    expect(Math.max(...cases.map(({ inputs }) => inputs.get("input_ids")?.shape[1] ?? 0))).toBeGreaterThan(128);
  });
});

/** Case 0 once more, from the checkpoint's other files. */
describe("other weight files", async () => {
  const path = goldenPath("module/t5.safetensors");
  const { tensors } = await readSafetensorsHeader(path);
  const variants = [
    { variant: "fp16", file: "model.fp16-00001-of-00002.safetensors" },
    { variant: "8bit", file: "model.8bit.safetensors" },
  ] as const;
  const present = variants.filter(
    ({ variant, file }) =>
      tensors.has(`case0.weights_${variant}.out.output`) && hasGolden("checkpoints/if-i/text_encoder", file),
  );

  test("some are there", () => {
    expect(present).not.toEqual([]);
  });

  test.each(present)("$variant", async ({ variant }) => {
    const { graph, feeds } = prepare(cases[0]!);
    const entry = tensors.get(`case0.weights_${variant}.out.output`)!;
    const data = (await readTensor(path, entry)) as Float32Array;
    const results = await runNetwork(graph, folder, feeds, { variant });
    const difference = maxAbsDifference(results.get("last_hidden_state")?.data, { shape: entry.shape, data });
    expect(difference).toBeLessThanOrEqual(tolerance);
  });
});

describe("an empty text beside others", () => {
  const textLength = 77;
  const tokens = (...ids: readonly number[]): bigint[] =>
    Array.from({ length: textLength }, (_, index) => BigInt(ids[index] ?? 0));
  const texts = [tokens(5, 9, 3, 1), tokens(7, 1)];
  const empty = tokens(1);
  const feed = (rows: readonly (readonly bigint[])[]) => ({
    input_ids: BigInt64Array.from(rows.flat()),
    attention_mask: BigInt64Array.from(rows.flat(), (id) => (id === 0n ? 0n : 1n)),
  });

  test.each(["fp32", "fp16", "8bit"] as const)("%s: all rows are those of a batch, to the bit", async (variant) => {
    const whole = buildT5Encoder(config, { batch: 3, textLength });
    const together = await runNetwork(whole, folder, feed([...texts, empty]), { variant });
    const graph = buildT5Encoder(config, { batch: 2, textLength, hasEmptyText: true });
    checkGraph(graph);
    const feeds = { ...feed(texts), empty_ids: BigInt64Array.of(1n, 0n) };
    const beside = await runNetwork(graph, folder, feeds, { variant });
    const { data, shape } = together.get("last_hidden_state")!;
    const width = shape[2] ?? 0;
    expect(beside.get("last_hidden_state")?.data).toEqual(data.subarray(0, 2 * textLength * width));
    const rows = beside.get("empty_hidden_state")!;
    expect(rows.shape).toEqual([1, 2, width]);
    const ofEmpty = data.subarray(2 * textLength * width);
    expect(rows.data.subarray(0, width)).toEqual(ofEmpty.subarray(0, width));
    for (let row = 1; row < textLength; row++) {
      expect(ofEmpty.subarray(row * width, (row + 1) * width)).toEqual(rows.data.subarray(width));
    }
  });
});

test("uses every tensor of the file, and no other", async () => {
  const { tensors } = await openWeights(folder, "fp32");
  const { graph } = prepare(cases[0]!);
  expect(shapesOf(graph.parameters.map(({ value }) => value))).toEqual(shapesOf(tensors.values()));
  expect(graph.parameters[0]?.aliases).toEqual(["encoder.embed_tokens.weight"]);
});

test("the published encoder has 4,762,310,656 parameters", async () => {
  const full = await copyConfig(published, {}, readT5EncoderConfig);
  const graph = buildT5Encoder(full, { batch: 2, textLength: 77 });
  checkGraph(graph);
  expect(graph.parameters.reduce((sum, { value }) => sum + elementCount(value.shape), 0)).toBe(4_762_310_656);
  expect(graph.outputs.map(({ name, shape }) => ({ name, shape }))).toEqual([
    { name: "last_hidden_state", shape: [2, 77, 4096] },
  ]);
});

test("absent keys take transformers' defaults", () => {
  expect(t5EncoderConfigSchema.parse({ feed_forward_proj: "gated-gelu" })).toMatchObject({
    vocab_size: 32128,
    d_model: 512,
    d_kv: 64,
    d_ff: 2048,
    num_layers: 6,
    num_heads: 8,
    relative_attention_num_buckets: 32,
    relative_attention_max_distance: 128,
    layer_norm_epsilon: 1e-6,
  });
});

test.each([
  { change: { feed_forward_proj: "relu" }, message: '`feed_forward_proj` is "relu"' },
  { change: { feed_forward_proj: undefined }, message: "`feed_forward_proj` is missing" },
  { change: { dense_act_fn: "relu" }, message: '`dense_act_fn` is "relu"' },
  { change: { is_decoder: true }, message: "`is_decoder` is true" },
  { change: { num_layers: 0 }, message: "`num_layers` is 0" },
  { change: { rotary: true }, message: "Unknown key `rotary`" },
])("refuses $change", async ({ change, message }) => {
  await expect(copyConfig(published, change, readT5EncoderConfig)).rejects.toThrow(message);
});
