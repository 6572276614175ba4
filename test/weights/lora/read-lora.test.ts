import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { findLoraFile, readLora } from "../../../src/weights/lora/read-lora.ts";
import { temporaryFolder } from "../files.ts";
import { filled, goldenLora, writeLora } from "./lora-files.ts";

const pair = (module: string, rank = 2) => ({
  [`${module}.lora_A.weight`]: filled([rank, 8]),
  [`${module}.lora_B.weight`]: filled([8, rank]),
});

async function scalesOf(file: string): Promise<Record<string, number>> {
  return Object.fromEntries((await readLora(file)).layers.map(({ module, scale }) => [module, scale]));
}

const settings = (changes: object): Record<string, string> => ({
  lora_adapter_metadata: JSON.stringify(
    Object.fromEntries(Object.entries(changes).map(([key, value]) => [`unet.${key}`, value as unknown])),
  ),
});

describe("by what a layer's product is multiplied", () => {
  test("alpha of the metadata by the rank that the layer has, and others by pattern", async () => {
    const metadata = settings({ r: 2, lora_alpha: 3, rank_pattern: { "b.to_k": 4 }, alpha_pattern: { to_v: 8 } });
    const file = await writeLora(
      { ...pair("unet.a.to_q"), ...pair("unet.b.to_k", 4), ...pair("unet.b.to_v") },
      { metadata },
    );
    expect(await scalesOf(file)).toEqual({ "a.to_q": 1.5, "b.to_k": 0.75, "b.to_v": 4 });
  });

  test("by the root of the rank where it is rank-stabilized", async () => {
    const metadata = settings({ lora_alpha: 3, use_rslora: true });
    expect(await scalesOf(await writeLora(pair("unet.a", 4), { metadata }))).toEqual({ a: 1.5 });
  });

  test("a layer's own alpha before all others", async () => {
    const tensors = { ...pair("unet.a"), "unet.a.alpha": filled([], 6) };
    expect(await scalesOf(await writeLora(tensors, { metadata: settings({ lora_alpha: 100 }) }))).toEqual({ a: 3 });
  });

  test("PEFT's settings beside its file", async () => {
    const file = await writeLora(pair("base_model.model.a"), { name: "adapter_model.safetensors" });
    await writeFile(join(dirname(file), "adapter_config.json"), JSON.stringify({ r: 2, lora_alpha: 5 }));
    expect(await scalesOf(file)).toEqual({ a: 2.5 });
  });

  test("1 where nothing says what it is", async () => {
    expect(await scalesOf(await writeLora(pair("unet.a", 4)))).toEqual({ a: 1 });
  });
});

test.each([
  ["peft", 19],
  ["processor", 18],
  ["kohya", 18],
])("all layers of %s are found", async (name, count) => {
  expect((await readLora(goldenLora(name))).layers).toHaveLength(count);
});

test("a folder that a LoRA was saved in", async () => {
  const file = await writeLora(pair("unet.a"), { name: "pytorch_lora_weights.safetensors" });
  expect(await findLoraFile(dirname(file))).toBe(file);
  expect(await findLoraFile(file)).toBe(file);
});

describe("what is refused, in one sentence:", () => {
  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      "a file that is not there",
      () => findLoraFile("/nowhere/lora.safetensors"),
      /^the LoRA \/nowhere.* cannot be read .*check --lora\.$/,
    ],
    ["a pickle", async () => findLoraFile(await picklePath()), /is a pickle.*convert the LoRA to \.safetensors/],
    ["a folder without one", async () => findLoraFile(await temporaryFolder()), /holds no LoRA: neither pytorch_lora/],
    [
      "a network",
      async () => readLora(await writeLora({ "a.weight": filled([2]) })),
      /is no LoRA: "a\.weight" is no name/,
    ],
    ["another kind", async () => readLora(await writeLora({ "a.hada_w1_a": filled([2]) })), /is a LoHa .*plain LoRAs/],
    [
      "half a layer",
      async () => readLora(await writeLora({ "unet.a.lora_A.weight": filled([2, 8]) })),
      /"unet\.a\.lora_A\.weight" is there without its other half/,
    ],
    [
      "a layer in two layouts",
      async () => readLora(await writeLora({ ...pair("unet.a"), "unet.a.lora.up.weight": filled([8, 2]) })),
      /twice, in two layouts/,
    ],
    [
      "a DoRA's settings",
      async () => readLora(await writeLora(pair("unet.a"), { metadata: settings({ lora_alpha: 1, use_dora: true }) })),
      /setting "use_dora" cannot be used/,
    ],
    [
      "a regular expression of a stranger's",
      async () =>
        readLora(
          await writeLora(pair("unet.a"), { metadata: settings({ lora_alpha: 1, alpha_pattern: { "(a+)+b": 2 } }) }),
        ),
      /"\(a\+\)\+b" in alpha_pattern is no layer's name/,
    ],
  ])("%s", async (_, work, words) => {
    await expect(work()).rejects.toMatchObject({ code: "CHECKPOINT", message: expect.stringMatching(words) as string });
  });
});

async function picklePath(): Promise<string> {
  const folder = join(await temporaryFolder(), "lora");
  await mkdir(folder);
  const path = join(folder, "pytorch_lora_weights.bin");
  await writeFile(path, "PK");
  return path;
}
