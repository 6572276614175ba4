/** Networks with LoRAs merged in against what diffusers and peft compute of them: scripts/golden/make-lora.py. */

import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeIfUnet } from "../../src/networks/if-unet.ts";
import { withNetwork } from "../../src/networks/open-network.ts";
import { describeT5Encoder } from "../../src/networks/text-encoder.ts";
import type { NetworkDescription } from "../../src/networks/description.ts";
import { buildIfUnet } from "../../src/models/if-unet.ts";
import { readIfUnetConfig } from "../../src/models/if-unet-config.ts";
import { buildT5Encoder, readT5EncoderConfig } from "../../src/models/t5-encoder.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { type TensorSource, readTensorAsFloat32, writeSafetensors } from "../../src/weights/safetensors.ts";
import type { LoraMerge } from "../../src/weights/lora/merge-lora.ts";
import { bundledPath } from "../golden.ts";
import { type GoldenTensor, maxAbsDifference, readCases } from "../golden-module.ts";
import { temporaryFolder } from "../weights/files.ts";
import { applied, goldenLora } from "../weights/lora/lora-files.ts";

const checkpoint = bundledPath("checkpoints", "if-i");
/** The same numbers as float32, so that nothing is rounded. */
let single = "";
beforeAll(async () => {
  single = await mkdtemp(join(tmpdir(), "if-gen-lora-"));
  const { folder, tensors } = await openWeights(join(checkpoint, "unet"), "fp16");
  await mkdir(join(single, "unet"));
  await copyFile(join(folder, "config.json"), join(single, "unet", "config.json"));
  const wide = [...tensors.values()].map(async (entry): Promise<[string, TensorSource]> => {
    const data = Float32Array.from(await readTensorAsFloat32(entry.file, entry));
    return [entry.name, { dtype: "F32", shape: entry.shape, data }];
  });
  const file = join(single, "unet", "diffusion_pytorch_model.safetensors");
  await writeSafetensors(file, new Map(await Promise.all(wide)));
});
afterAll(() => rm(single, { recursive: true, force: true }));

const cases = new Map((await readCases(bundledPath("lora", "case.safetensors"))).map((one) => [one.name, one]));
const input = (name: string, key: string): GoldenTensor => cases.get(name)!.inputs.get(key)!;
const output = (name: string): GoldenTensor => cases.get(name)!.outputs.get("output")!;

async function merging(
  network: LoraMerge["network"],
  loras: readonly (readonly [string, number])[],
): Promise<LoraMerge> {
  const files = await Promise.all(loras.map(([name, weight]) => applied(goldenLora(name), weight)));
  return { network, loras: files, cache: await temporaryFolder() };
}

/** The UNet as it is drawn with, at the size of the case. */
async function unet(folder: string, lora?: LoraMerge): Promise<NetworkDescription> {
  const described = await describeIfUnet(folder, { images: 1, guidanceScale: 7, width: 24, height: 24 }, lora);
  const config = await readIfUnetConfig(described.folder);
  return { ...described, build: (batch) => buildIfUnet(config, { batch, height: 16, width: 8, textLength: 5 }) };
}

async function runUnet(folder: string, lora: LoraMerge | undefined, settings: object = {}): Promise<Float32Array> {
  return withNetwork(await unet(folder, lora), { executionProvider: "cpu", ...settings }, async (network) => {
    const { data } = await network({
      sample: input("base", "sample").data,
      timestep: Float32Array.from(input("base", "timestep").data, Number),
      encoder_hidden_states: input("base", "encoder_hidden_states").data,
    });
    return data;
  });
}

test.each<[string, readonly (readonly [string, number])[]]>([
  ["base", []],
  ["peft", [["peft", 1]]],
  ["processor", [["processor", 0.75]]],
  ["kohya", [["kohya", 1.5]]],
  [
    "several",
    [
      ["peft", 0.5],
      ["processor", -0.75],
    ],
  ],
])("%s as diffusers draws it", async (name, loras) => {
  const drawn = await runUnet(single, loras.length > 0 ? await merging("unet", loras) : undefined);
  expect(maxAbsDifference(drawn, output(name))).toBeLessThan(5e-5); // as without LoRAs
  if (name !== "base") expect(maxAbsDifference(drawn, output("base"))).toBeGreaterThan(0.5);
});

test.each<[string, object, number]>([
  ["in half precision the sum is rounded once", {}, 4e-3],
  ["in 8 bits it is about the same", { unet: { bits: 8 } }, 0.1],
])("%s", async (_, { unet: choice }: { unet?: object }, tolerance) => {
  const settings = choice ? { unet: { ...choice, cache: await temporaryFolder() } } : {};
  const drawn = await runUnet(checkpoint, await merging("unet", [["peft", 1]]), settings);
  expect(maxAbsDifference(drawn, output("peft"))).toBeLessThan(tolerance);
  expect(maxAbsDifference(drawn, output("base"))).toBeGreaterThan(0.5);
});

test("T5 too", async () => {
  const described = await describeT5Encoder(checkpoint, { texts: 1 }, await merging("text_encoder", [["text", 1]]));
  const config = await readT5EncoderConfig(described.folder);
  const t5 = { ...described, build: (batch: number) => buildT5Encoder(config, { batch, textLength: 5 }) };
  const encoded = await withNetwork(t5, { executionProvider: "cpu", variant: "fp32" }, async (network) => {
    const { data } = await network({
      input_ids: input("text", "input_ids").data,
      attention_mask: input("text", "attention_mask").data,
    });
    return data;
  });
  expect(maxAbsDifference(encoded, output("text"))).toBeLessThan(5e-5);
});
