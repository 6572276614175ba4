import { unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { listVariants, resolveVariant } from "../../src/weights/variants.ts";
import { goldenPath } from "../golden.ts";
import { readWeight } from "../../src/weights/find-weight.ts";
import { safetensorsBytes, temporaryFolder } from "./files.ts";

async function folderWith(...names: string[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const name of names) await writeFile(join(folder, name), "");
  return folder;
}

/** fp16 in two shards, the second of which has not arrived. */
async function halfDownloaded(...others: string[]): Promise<string> {
  const shards = ["model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors"];
  const folder = await folderWith(...shards, ...others);
  const index = JSON.stringify({ weight_map: { a: shards[0], b: shards[1] } });
  await writeFile(join(folder, "model.safetensors.index.fp16.json"), index);
  await unlink(join(folder, shards[1]!));
  return folder;
}

describe("listVariants", () => {
  test("finds single files and shards, the smallest first", async () => {
    expect((await listVariants(goldenPath("checkpoints/if-i/text_encoder"))).slice(0, 2)).toEqual(["8bit", "fp16"]);
    expect(await listVariants(goldenPath("checkpoints/if-i/watermarker"))).toEqual(["fp32"]);
    expect(await listVariants(await folderWith("model.safetensors", "model.8bit.safetensors"))).toEqual([
      "8bit",
      "fp32",
    ]);
  });

  test("leaves out what is not complete, and other files", async () => {
    expect(await listVariants(await halfDownloaded("diffusion_pytorch_model.safetensors"))).toEqual(["fp32"]);
    expect(await listVariants(await folderWith("pytorch_model.bin", "model.non_ema.safetensors"))).toEqual([]);
    expect(await listVariants(await folderWith("model.safetensors.index.json"))).toEqual([]);
  });

  test("says that a folder is missing", async () => {
    const missing = join(await temporaryFolder(), "unet");
    await expect(listVariants(missing)).rejects.toThrow(/The folder .*unet cannot be read \(it is missing/);
  });
});

describe("resolveVariant", () => {
  const all = ["8bit", "fp16", "fp32"] as const;

  test("takes the smallest without a wish", async () => {
    expect(await resolveVariant(await folderWith("model.safetensors", "model.fp16.safetensors"))).toBe("fp16");
    expect(await resolveVariant(await halfDownloaded("model.safetensors"))).toBe("fp32");
  });

  test("takes what is asked for", async () => {
    const folder = await folderWith("model.safetensors", "model.fp16.safetensors", "model.8bit.safetensors");
    for (const variant of all) expect(await resolveVariant(folder, variant)).toBe(variant);
  });

  test("a wish for 8bit is not about networks that are never published so", async () => {
    const folder = await folderWith("model.safetensors", "model.fp16.safetensors");
    expect(await resolveVariant(folder, "8bit")).toBe("fp16");
    await expect(resolveVariant(folder, "8bit", all)).rejects.toThrow(/has no 8bit weights, only fp16 and fp32/);
  });

  test("a wish for fp16 is not about the watermarker, but about a UNet", async () => {
    const folder = await folderWith("diffusion_pytorch_model.safetensors");
    expect(await resolveVariant(folder, "fp16", ["fp32"])).toBe("fp32");
    await expect(resolveVariant(folder, "fp16")).rejects.toThrow(CheckpointError);
    await expect(resolveVariant(folder, "fp16")).rejects.toThrow(
      /has no fp16 weights, only fp32; ask for one of these/,
    );
  });

  test("leaves it to openWeights to say what is missing", async () => {
    const folder = await halfDownloaded();
    expect(await resolveVariant(folder)).toBe("fp16");
    await expect(openWeights(folder, "fp16")).rejects.toThrow(/00001-of-00002.safetensors is empty|00002.*is missing/);
    await expect(openWeights(folder, "fp32")).rejects.toThrow(/has no fp32 weights, only fp16 \(incomplete\)/);
  });
});

describe("a folder without weights", () => {
  test.each<[string[], RegExp]>([
    [["config.json"], /has no weights such as model\.safetensors/],
    [["pytorch_model.bin", "config.json"], /has weights only as pytorch_model\.bin, but if-gen needs \.safetensors/],
    [["model-00001-of-00002.safetensors"], /has shards such as model-00001-of-00002\.safetensors but not their/],
  ])("says so: %j", async (names, message) => {
    const folder = await folderWith(...names);
    await expect(openWeights(folder)).rejects.toThrow(CheckpointError);
    await expect(openWeights(folder, "fp16")).rejects.toThrow(message);
    await expect(resolveVariant(folder)).rejects.toThrow(message);
  });
});

describe("checkpoints of today", () => {
  const bfloat16 = "diffusion_pytorch_model.bf16.safetensors";
  const content = safetensorsBytes(
    { a: { dtype: "BF16", shape: [2], data_offsets: [0, 4] } },
    Uint8Array.of(0x80, 0x3f, 0, 0xc0),
  );

  test("bf16 alone is found, and read as what it holds", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, bfloat16), content);
    expect(await listVariants(folder)).toEqual(["fp16"]);
    expect([...(await readWeight(await openWeights(folder), "a", [2]))]).toEqual([1, -2]);
  });

  test("bf16 beside other weights is not taken in their place", async () => {
    const folder = await folderWith("diffusion_pytorch_model.safetensors");
    await writeFile(join(folder, bfloat16), content);
    expect(await listVariants(folder)).toEqual(["fp32"]);
  });

  test.each([
    ["pytorch_lora_weights.safetensors", (folder: string) => folder],
    ["adapter_config.json", (folder: string) => folder],
    ["pytorch_lora_weights.safetensors", (folder: string) => join(folder, "unet")], // a folder given as a stage's
  ])("a LoRA (%s) is named", async (name, pathIn) => {
    const folder = await folderWith(name);
    const opening = openWeights(pathIn(folder));
    await expect(opening).rejects.toThrow(CheckpointError);
    await expect(opening).rejects.toThrow(/holds a LoRA \(.*give it with --lora/);
  });

  test("other weights are named", async () => {
    await expect(openWeights(await folderWith("model.non_ema.safetensors"))).rejects.toThrow(
      /"model\.non_ema\.safetensors" is a name/,
    );
  });
});
