/** Tolerance 5e-5: the reference's own fp32 runs differ by up to 4e-6 among each other. */

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { elementCount } from "../../src/math/tensor.ts";
import { buildSafetyChecker, readSafetyCheckerConfig } from "../../src/models/clip-vision.ts";
import { transformersHarmlessKeys } from "../../src/models/transformers-config.ts";
import { checkGraph } from "../../src/onnx/check.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { maxAbsDifference, readModuleCases } from "../golden-module.ts";
import { goldenPath, referenceVariant } from "../golden.ts";
import { runNetwork } from "../run-graph.ts";
import { copyConfig, shapesOf } from "./checkpoint-copy.ts";

const tolerance = 5e-5;
const folder = goldenPath("checkpoints/if-i/safety_checker");
const variant = await referenceVariant(folder);
const configFile = join(folder, "config.json");
const config = await readSafetyCheckerConfig(folder);
const cases = await readModuleCases("safety");

/** What transformers 4.2x wrote into each tower's part, whatever the tower. */
const general = {
  ...Object.fromEntries(transformersHarmlessKeys.map((key) => [key, null])),
  _name_or_path: "",
  add_cross_attention: false,
  attention_dropout: 0,
  dropout: 0,
  hidden_act: "quick_gelu",
  id2label: { 0: "LABEL_0", 1: "LABEL_1" },
  is_decoder: false,
  layer_norm_eps: 1e-5,
  projection_dim: 768,
  pruned_heads: {},
};

/** Sizes of OpenAI's CLIP ViT-L/14, which IF's checker is made from. */
const vitL14 = {
  model_type: "clip",
  projection_dim: 768,
  logit_scale_init_value: 2.6592,
  text_config: { ...general, model_type: "clip_text_model", hidden_size: 768, vocab_size: 49408 },
  text_config_dict: { hidden_size: 768 },
  vision_config: {
    ...general,
    model_type: "clip_vision_model",
    hidden_size: 1024,
    intermediate_size: 4096,
    num_channels: 3,
    num_attention_heads: 16,
    num_hidden_layers: 24,
    image_size: 224,
    patch_size: 14,
  },
  vision_config_dict: { hidden_size: 1024, num_hidden_layers: 24, patch_size: 14 },
};

describe("against diffusers and transformers", () => {
  test.each(cases)("$name", async ({ inputs, outputs, taps }) => {
    const pixels = inputs.get("pixel_values")!;
    const graph = buildSafetyChecker(config, { batch: pixels.shape[0] ?? 0 });
    const feeds = { pixel_values: pixels.data };
    const results = await runNetwork(graph, folder, feeds, { modules: [...taps.keys()], variant });
    const differences = [...taps, ...outputs].map(
      ([name, value]) => [name, maxAbsDifference(results.get(name)?.data, value)] as const,
    );
    expect(differences.map(([name]) => name)).toEqual(expect.arrayContaining(["image_embeds", "p_score", "w_score"]));
    expect(differences.filter(([, difference]) => !(difference <= tolerance))).toEqual([]);
  });
});

test("uses every tensor of the file but position_ids, and no other", async () => {
  const { tensors } = await openWeights(folder, variant);
  const { parameters } = buildSafetyChecker(config, { batch: 1 });
  expect(shapesOf(parameters.map(({ value }) => value))).toEqual(shapesOf(tensors.values()));
});

test("with ViT-L/14 it has 303,966,208 parameters and two heads", async () => {
  const full = await copyConfig(configFile, vitL14, readSafetyCheckerConfig);
  const graph = buildSafetyChecker(full, { batch: 2 });
  checkGraph(graph);
  const heads = 2 * (768 + 1);
  expect(graph.parameters.reduce((sum, { value }) => sum + elementCount(value.shape), 0)).toBe(303_966_208 + heads);
  expect(graph.inputs.map(({ shape }) => shape)).toEqual([[2, 3, 224, 224]]);
  expect(graph.outputs.map(({ name, shape }) => ({ name, shape }))).toEqual([
    { name: "image_embeds", shape: [2, 768] },
    { name: "p_score", shape: [2] },
    { name: "w_score", shape: [2] },
  ]);
});

test("absent keys take transformers' defaults, those of ViT-B/32", async () => {
  const bare = await copyConfig(configFile, { vision_config: undefined }, readSafetyCheckerConfig);
  expect(bare.vision_config).toMatchObject({
    hidden_size: 768,
    intermediate_size: 3072,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    projection_dim: 512,
    num_channels: 3,
    image_size: 224,
    patch_size: 32,
    hidden_act: "quick_gelu",
    layer_norm_eps: 1e-5,
  });
});

test.each([
  {
    change: { vision_config: { ...vitL14.vision_config, registers: 4 } },
    message: "Unknown key `vision_config.registers`",
  },
  {
    change: { vision_config: { ...vitL14.vision_config, patch_size: [14, 14] } },
    message: "`vision_config.patch_size`",
  },
  { change: { ...vitL14, vision_config_dict: { patch_size: 16 } }, message: "`vision_config_dict`" },
  { change: { audio_config: {} }, message: "Unknown key `audio_config`" },
])("refuses $message", async ({ change, message }) => {
  await expect(copyConfig(configFile, change, readSafetyCheckerConfig)).rejects.toThrow(message);
});
