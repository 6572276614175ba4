/**
 * Which tensors a published repository stores for a network of some config, in which type: the names and shapes are the
 * graph's own parameters, so that a synthetic checkpoint cannot differ from what the program asks for.
 */

import { basename, dirname } from "node:path";
import { type ClipTextConfig, buildClipText, readClipTextConfig } from "../../src/models/clip-text.ts";
import { buildSafetyChecker, readSafetyCheckerConfig } from "../../src/models/clip-vision.ts";
import { readIfUnetConfig } from "../../src/models/if-unet-config.ts";
import { buildIfUnet } from "../../src/models/if-unet.ts";
import { readSdUnetConfig } from "../../src/models/sd-unet-config.ts";
import { buildSdUnet } from "../../src/models/sd-unet.ts";
import { buildT5Encoder, readT5EncoderConfig } from "../../src/models/t5-encoder.ts";
import { buildVaeDecoder, buildVaeEncoder, readVaeConfig } from "../../src/models/vae.ts";
import type { Graph } from "../../src/onnx/graph.ts";
import { readJson } from "../../src/weights/file.ts";
import type { TensorLayout } from "../../src/weights/safetensors-stream.ts";
import type { Variant } from "../../src/weights/variants.ts";

export interface NetworkLayout {
  /** Of the weight files: `model` (transformers) or `diffusion_pytorch_model` (diffusers). */
  readonly stem: string;
  /** The float parameters and, with type I64, buffers. */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
  readonly positionIds: ReadonlyMap<string, readonly number[]>;
  /** How many files the published repository splits a variant into. */
  readonly shards: (variant: Variant) => number;
}

/** @param file a component's config.json, whatever its name. */
export async function networkLayout(file: string): Promise<NetworkLayout> {
  const json = (await readJson(file)) as Record<string, unknown>;
  const [folder, name] = [dirname(file), basename(file)];
  if (name !== "config.json") throw new Error(`${file}: a component's config is called config.json`);
  if (json["_class_name"] === "AutoencoderKL") {
    const config = await readVaeConfig(folder);
    const shape = { batch: 1, height: 32, width: 32 };
    return diffusers(buildVaeDecoder(config, shape), buildVaeEncoder(config, shape));
  }
  if (json["_class_name"] === "UNet2DConditionModel" && json["addition_embed_type"] === "text") {
    return diffusers(buildIfUnet(await readIfUnetConfig(folder), { batch: 1, height: 64, width: 64, textLength: 77 }));
  }
  if (json["_class_name"] === "UNet2DConditionModel") {
    return diffusers(buildSdUnet(await readSdUnetConfig(folder), { batch: 1, height: 64, width: 64, textLength: 77 }));
  }
  if (json["model_type"] === "t5") {
    const graph = buildT5Encoder(await readT5EncoderConfig(folder), { batch: 1, textLength: 77 });
    return { ...transformers(graph), shards: (variant) => (variant === "8bit" ? 1 : 2) };
  }
  if (json["model_type"] === "clip_text_model") return clipText(await readClipTextConfig(folder));
  if (json["model_type"] === "clip") {
    return transformers(buildSafetyChecker(await readSafetyCheckerConfig(folder), { batch: 1 }));
  }
  throw new Error(`${file}: no network of the cascade has such a config`);
}

function clipText(config: ClipTextConfig): NetworkLayout {
  const positions = config.max_position_embeddings;
  const graph = buildClipText(config, { batch: 1, textLength: positions });
  const positionIds = new Map([["text_model.embeddings.position_ids", [1, positions]]]);
  return { ...transformers(graph), positionIds };
}

const tensorsOf = (...graphs: readonly Graph[]): Map<string, readonly number[]> =>
  new Map(graphs.flatMap(({ parameters }) => parameters.map(({ value }) => [value.name, value.shape] as const)));

const transformers = (graph: Graph): NetworkLayout => ({
  stem: "model",
  tensors: tensorsOf(graph),
  positionIds: new Map(),
  shards: () => 1,
});

const diffusers = (...graphs: readonly Graph[]): NetworkLayout => ({
  stem: "diffusion_pytorch_model",
  tensors: tensorsOf(...graphs),
  positionIds: new Map(),
  shards: () => 1,
});

/** LLM.int8 as bitsandbytes stores it: these are int8 with SCB, `wo` stays float32, all else is float16. */
const isInt8Weight = (name: string): boolean => /\.(SelfAttention\.[qkvo]|DenseReluDense\.wi_[01])\.weight$/.test(name);

/** @returns the tensors of one variant as the file declares them. */
export function variantTensors(layout: NetworkLayout, variant: Variant): Map<string, TensorLayout> {
  const tensors = new Map<string, TensorLayout>();
  for (const [name, shape] of layout.tensors) {
    if (variant === "8bit" && isInt8Weight(name)) {
      tensors.set(name, { dtype: "I8", shape });
      tensors.set(name.replace(/weight$/, "SCB"), { dtype: "F32", shape: shape.slice(0, 1) });
    } else {
      const full = variant === "fp32" || (variant === "8bit" && name.endsWith(".wo.weight"));
      tensors.set(name, { dtype: full ? "F32" : "F16", shape });
    }
  }
  for (const [name, shape] of layout.positionIds) tensors.set(name, { dtype: "I64", shape });
  return tensors;
}
