/** The networks that lowering is for: at their published sizes without weights, and tiny with the reference's numbers. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildClipText, readClipTextConfig } from "../../../src/models/clip-text.ts";
import {
  buildSafetyChecker,
  readSafetyCheckerConfig,
  safetyCheckerConfigSchema,
} from "../../../src/models/clip-vision.ts";
import { readIfUnetConfig } from "../../../src/models/if-unet-config.ts";
import { buildIfUnet, type IfUnetShape } from "../../../src/models/if-unet.ts";
import { readSdUnetConfig } from "../../../src/models/sd-unet-config.ts";
import { buildRrdbNet } from "../../../src/models/rrdbnet.ts";
import { buildSdUnet } from "../../../src/models/sd-unet.ts";
import { buildT5Encoder, readT5EncoderConfig } from "../../../src/models/t5-encoder.ts";
import { buildVaeDecoder, buildVaeEncoder, readVaeConfig } from "../../../src/models/vae.ts";
import type { Graph } from "../../../src/onnx/graph.ts";
import type { WeightLookup } from "../../../src/onnx/lower/rewriting.ts";
import type { Feed } from "../../../src/runtime/session.ts";
import { goldenPath } from "../../golden.ts";
import { type GoldenTensor, type ModuleCase, perSample, readModuleCases } from "../../golden-module.ts";
import { copyConfig } from "../../models/checkpoint-copy.ts";

const published = <T>(name: string, read: (folder: string) => Promise<T>): Promise<T> =>
  copyConfig(fileURLToPath(new URL(`../../golden/configs/${name}.config.json`, import.meta.url)), {}, read);

/** OpenAI's CLIP ViT-L/14, which IF's checker is made from. */
const vitL14 = safetyCheckerConfigSchema.parse({
  vision_config: {
    hidden_size: 1024,
    intermediate_size: 4096,
    num_attention_heads: 16,
    num_hidden_layers: 24,
    projection_dim: 768,
    patch_size: 14,
  },
});

const x4plus = { blocks: 23, features: 64, growth: 32, inChannels: 3, doublings: 2 };

/** At the sizes of a run to 1024 pixels with guidance. @param batch of the UNets and of T5: two for each image. */
export async function publishedNetworks(batch = 2): Promise<{ name: string; graph: Graph }[]> {
  const pair = { batch, textLength: 77 };
  const ifUnet = async (name: string, side: number): Promise<{ name: string; graph: Graph }> => {
    const config = await published(`${name}-v1.0.unet`, readIfUnetConfig);
    return { name, graph: buildIfUnet(config, { ...pair, height: side, width: side }) };
  };
  const vae = await published("x4-upscaler.vae", readVaeConfig);
  const latents = { height: 256, width: 256 };
  return [
    {
      name: "T5-XXL",
      graph: buildT5Encoder(await published("IF-I-XL-v1.0.text_encoder", readT5EncoderConfig), pair),
    },
    ...(await Promise.all(["IF-I-XL", "IF-I-L", "IF-I-M"].map((name) => ifUnet(name, 64)))),
    ...(await Promise.all(["IF-II-L", "IF-II-M"].map((name) => ifUnet(name, 256)))),
    {
      name: "x4 UNet",
      graph: buildSdUnet(await published("x4-upscaler.unet", readSdUnetConfig), { ...pair, ...latents }),
    },
    { name: "CLIP text", graph: buildClipText(await published("x4-upscaler.text_encoder", readClipTextConfig), pair) },
    { name: "VAE decoder", graph: buildVaeDecoder(vae, { batch: 1, ...latents }) },
    { name: "VAE encoder", graph: buildVaeEncoder(vae, { batch: 1, height: 1024, width: 1024 }) },
    { name: "RealESRGAN_x4plus", graph: buildRrdbNet(x4plus, { batch: 1, height: 256, width: 256 }) },
    { name: "safety checker", graph: buildSafetyChecker(vitL14, { batch: 1 }) },
  ];
}

/** Weights of any name and shape, in no file; int8 ones are matrices with a scale per row, as they are stored. */
export const weightsOf =
  (dtype: "float32" | "float16" | "bfloat16" | "int8"): WeightLookup =>
  (name, shape) => {
    const place = { name, shape, file: "/none", offset: 0, byteLength: 0 };
    if (dtype !== "int8") return { ...place, dtype };
    if (shape.length !== 2 || /norm|embed|shared|bias/.test(name)) return { ...place, dtype: "float16" };
    return { ...place, dtype, rowScales: new Float32Array(shape[0] ?? 0).fill(1) };
  };

export interface TinyNetwork {
  readonly name: string;
  readonly graph: Graph;
  readonly folder: string;
  readonly feeds: Readonly<Record<string, Feed>>;
  readonly expected: GoldenTensor;
}

type Description = (
  folder: string,
  tensor: (name: string) => GoldenTensor,
) => Promise<Pick<TinyNetwork, "graph" | "feeds">>;

const unet =
  (build: (folder: string, shape: IfUnetShape) => Promise<Graph>, levels: boolean) =>
  (): Description =>
  async (folder, tensor) => {
    const [sample, text] = [tensor("sample"), tensor("encoder_hidden_states")];
    const [batch = 0, , height = 0, width = 0] = sample.shape;
    const graph = await build(folder, { batch, height, width, textLength: text.shape[1] ?? 0 });
    const level = graph.inputs.find(({ name }) => name === "class_labels");
    const numbers = levels ? perSample(tensor("class_labels"), batch) : new Float32Array();
    const labels = level?.dtype === "int64" ? BigInt64Array.from(numbers, (n) => BigInt(n)) : numbers;
    const timestep = perSample(tensor("timestep"), batch);
    const feeds = { sample: sample.data, timestep, encoder_hidden_states: text.data };
    return { graph, feeds: { ...feeds, ...(level ? { class_labels: labels } : {}) } };
  };

const ifUnet = async (folder: string, shape: Parameters<typeof buildIfUnet>[1]): Promise<Graph> =>
  buildIfUnet(await readIfUnetConfig(folder), shape);
const sdUnet = async (folder: string, shape: Parameters<typeof buildSdUnet>[1]): Promise<Graph> =>
  buildSdUnet(await readSdUnetConfig(folder), shape);

/** golden file, checkpoint's component, how to feed it */
const tiny: readonly (readonly [string, string, Description])[] = [
  [
    "t5",
    "if-i/text_encoder",
    async (folder, tensor) => {
      const ids = tensor("input_ids");
      const [batch = 0, textLength = 0] = ids.shape;
      const graph = buildT5Encoder(await readT5EncoderConfig(folder), { batch, textLength });
      return { graph, feeds: { input_ids: ids.data, attention_mask: tensor("attention_mask").data } };
    },
  ],
  ["unet_if_i", "if-i/unet", unet(ifUnet, false)()],
  ["unet_if_ii", "if-ii/unet", unet(ifUnet, true)()],
  ["unet_x4", "x4-upscaler/unet", unet(sdUnet, true)()],
  [
    "clip_text",
    "x4-upscaler/text_encoder",
    async (folder, tensor) => {
      const ids = tensor("input_ids");
      const [batch = 0, textLength = 0] = ids.shape;
      return {
        graph: buildClipText(await readClipTextConfig(folder), { batch, textLength }),
        feeds: { input_ids: ids.data },
      };
    },
  ],
  [
    "vae_decode",
    "x4-upscaler/vae",
    async (folder, tensor) => {
      const [batch = 0, , height = 0, width = 0] = tensor("latents").shape;
      const graph = buildVaeDecoder(await readVaeConfig(folder), { batch, height, width });
      return { graph, feeds: { latents: tensor("latents").data } };
    },
  ],
  [
    "safety",
    "if-i/safety_checker",
    async (folder, tensor) => {
      const pixels = tensor("pixel_values");
      const graph = buildSafetyChecker(await readSafetyCheckerConfig(folder), { batch: pixels.shape[0] ?? 0 });
      return { graph, feeds: { pixel_values: pixels.data } };
    },
  ],
];

/** The first case of each golden file. */
export function tinyNetworks(): Promise<TinyNetwork[]> {
  return Promise.all(
    tiny.map(async ([name, component, describe]) => {
      const [first] = await readModuleCases(name);
      const folder = goldenPath(join("checkpoints", component));
      const described = await describe(folder, (input) => tensorOf(first, input));
      const expected = first?.outputs.get("output") ?? first?.outputs.get("image_embeds");
      if (!expected) throw new Error(`${name} has no output`);
      return { name, folder, expected, ...described };
    }),
  );
}

function tensorOf(given: ModuleCase | undefined, name: string): GoldenTensor {
  const tensor = given?.inputs.get(name);
  if (!tensor) throw new Error(`there is no case with an input ${name}`);
  return tensor;
}
