import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { type IfUnetConfig, ifUnetConfigSchema } from "../../src/models/if-unet-config.ts";
import { readComponentConfig } from "../../src/weights/component-config.ts";

const configs = fileURLToPath(new URL("../golden/configs", import.meta.url));
const published = (await readdir(configs)).filter((name) => /^IF-.*unet/.test(name));
const stage2 = "IF-II-L-v1.0.unet.config.json";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "if-gen-config-"));
});
afterAll(() => rm(folder, { recursive: true }));

const readJson = async (file: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(configs, file), "utf8")) as Record<string, unknown>;

/** Reads a config with these keys changed, or left out where undefined. */
async function readChanged(file: string, changes: Record<string, unknown>): Promise<IfUnetConfig> {
  await writeFile(join(folder, "config.json"), JSON.stringify({ ...(await readJson(file)), ...changes }));
  return readComponentConfig(folder, ifUnetConfigSchema);
}

test("there are published configs to read", () => {
  expect(published).toContain(stage2);
  expect(published.length).toBeGreaterThanOrEqual(5);
});

test.each(published)("%s is understood and kept as it is", async (file) => {
  const { _diffusers_version: _, ...json } = await readJson(file);
  const config = await readComponentConfig(configs, ifUnetConfigSchema, { file });
  expect(config).toMatchObject(json);
});

test("absent keys take diffusers' defaults", async () => {
  const absent = ["layers_per_block", "norm_eps", "act_fn", "resnet_skip_time_act", "addition_embed_type_num_heads"];
  const config = await readChanged(stage2, Object.fromEntries(absent.map((key) => [key, undefined])));
  expect(config).toMatchObject({
    layers_per_block: 2,
    norm_eps: 1e-5,
    act_fn: "silu",
    resnet_skip_time_act: false,
    addition_embed_type_num_heads: 64,
  });
});

describe("refused by key and value", () => {
  test.each([
    { cross_attention_norm: "layer_norm" },
    { addition_embed_type: "text_image" },
    { addition_embed_type: undefined },
    { class_embed_type: "projection" },
    { encoder_hid_dim: null },
    { encoder_hid_dim_type: "image_proj" },
    { time_embedding_type: "fourier" },
    { time_cond_proj_dim: 256 },
    { num_class_embeds: 10 },
    { mid_block_type: "UNetMidBlock2DCrossAttn" },
    { act_fn: "mish" },
    { center_input_sample: true },
    { _class_name: "UNet3DConditionModel" },
    { layers_per_block: [2, 2] },
    { up_block_types: ["ResnetUpsampleBlock2D"] },
    { norm_num_groups: 64 }, // does not divide 160
    { attention_head_dim: 48 }, // divides 960, but not 1280
    { cross_attention_dim: 1000 }, // not in 32 groups
    { addition_embed_type_num_heads: 60 },
  ])("%j", async (change) => {
    const [[key, value] = []] = Object.entries(change);
    const refusal = await readChanged(stage2, change).then(String, (error: unknown) => error);
    expect(refusal).toBeInstanceOf(CheckpointError);
    expect(String(refusal)).toContain(`\`${key}\``);
    expect(String(refusal)).toContain(join(folder, "config.json"));
    if (value !== undefined) expect(String(refusal)).toContain(JSON.stringify(value));
  });

  test("a key nobody knows", async () => {
    await expect(readChanged(stage2, { flux_capacitor: 1.21 })).rejects.toThrow("flux_capacitor");
  });
});

test("heads need only divide the channels of levels that attend", async () => {
  await expect(readChanged(stage2, { attention_head_dim: 320 })).resolves.toBeDefined(); // 160 has none
  await expect(readChanged(stage2, { attention_head_dim: 160 })).resolves.toBeDefined();
  const all = { down_block_types: Array.from({ length: 5 }, () => "SimpleCrossAttnDownBlock2D") };
  await expect(readChanged(stage2, { attention_head_dim: 320, ...all })).rejects.toThrow("does not divide the 160");
});
