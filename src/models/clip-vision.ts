/**
 * @module models/clip-vision
 * IF's safety checker: CLIP's vision tower with its projection, and two linear heads on the image embedding.
 *
 * In:  pixel_values (B, 3, S, S) float32, resized and normalised as CLIP wants it (image/clip-features).
 * Out: image_embeds (B, E); p_score (B) unsafe content and w_score (B) a stock image's watermark, both raw:
 *      an image is flagged when a score is > 0.5, and no sigmoid comes in between.
 * Letters: B batch, S image_size (224), P patches (16 x 16), D hidden_size (1024), E projection_dim (768).
 * Source: Radford et al. 2021 (arXiv 2103.00020), Dosovitskiy et al. 2021 (arXiv 2010.11929) §3.1; names as in
 * diffusers' IFSafetyChecker and transformers' CLIPVisionModelWithProjection ("pre_layrnorm" is theirs).
 */

import { z } from "zod";
import { type Graph, GraphBuilder, type Value } from "../onnx/graph.ts";
import * as ops from "../onnx/ops.ts";
import { readComponentConfig } from "../weights/component-config.ts";
import { clipEncoder, clipTowerKeys, clipHarmlessKeys, headsFit } from "./clip-layers.ts";
import { layerNorm, linear } from "./layers.ts";
import { count, transformersHarmlessKeys } from "./transformers-config.ts";

const visionConfigSchema = z
  .strictObject({
    ...clipTowerKeys,
    model_type: z.literal("clip_vision_model").default("clip_vision_model"),
    hidden_size: count.default(768),
    intermediate_size: count.default(3072),
    num_attention_heads: count.default(12),
    projection_dim: count.default(512),
    num_channels: count.default(3),
    image_size: count.default(224),
    patch_size: count.default(32),
  })
  .refine(...headsFit);

/** CLIP's whole configuration, of which the checker has only the vision half; the outer projection_dim is not its own. */
export const safetyCheckerConfigSchema = z
  .strictObject({
    model_type: z.literal("clip").default("clip"),
    vision_config: z.preprocess(dropHarmless, visionConfigSchema.prefault({})),
    /** Files of early 2023 may hold parts of vision_config a second time. */
    vision_config_dict: z.record(z.string(), z.unknown()).nullable().default(null),
  })
  .refine(({ vision_config, vision_config_dict }) => agree(vision_config_dict ?? {}, vision_config), {
    path: ["vision_config_dict"],
    error: "it contradicts vision_config",
  });

type VisionConfig = z.infer<typeof visionConfigSchema>;
export type SafetyCheckerConfig = z.infer<typeof safetyCheckerConfigSchema>;

const harmless = [
  ...transformersHarmlessKeys,
  "text_config",
  "text_config_dict",
  "projection_dim",
  "logit_scale_init_value",
];

/** @throws {CheckpointError} the folder's config.json is missing or holds what we do not build. */
export function readSafetyCheckerConfig(folder: string): Promise<SafetyCheckerConfig> {
  return readComponentConfig(folder, safetyCheckerConfigSchema, { harmless });
}

/** Images are `image_size` x `image_size`. */
export function buildSafetyChecker({ vision_config: config }: SafetyCheckerConfig, shape: { batch: number }): Graph {
  const g = new GraphBuilder("safety-checker");
  const { num_channels: channels, image_size: side } = config;
  const pixelValues = g.input("pixel_values", "float32", [shape.batch, channels, side, side]);
  const imageEmbeds = g.scope("vision_model", () => {
    const pooled = g.scope("vision_model", () => visionTower(g, config, pixelValues)); // (B, D)
    return linear(g, "visual_projection", pooled, config.projection_dim, { bias: false }); // (B, E)
  });
  g.output("image_embeds", imageEmbeds);
  for (const head of ["p", "w"]) {
    g.output(`${head}_score`, ops.reshape(g, linear(g, `${head}_head`, imageEmbeds, 1), [shape.batch])); // (B)
  }
  return g.finish();
}

/** pixel_values (B, 3, S, S) -> the class token's hidden state, normalised, (B, D). */
function visionTower(g: GraphBuilder, config: VisionConfig, pixelValues: Value): Value {
  const x = g.scope("embeddings", () => embeddings(g, config, pixelValues)); // (B, 1 + P, D)
  const hidden = clipEncoder(g, config, layerNorm(g, "pre_layrnorm", x, config.layer_norm_eps));
  const classToken = ops.reshape(g, ops.slice(g, hidden, 1, 0, 1), [x.shape[0] ?? 0, config.hidden_size]);
  return layerNorm(g, "post_layernorm", classToken, config.layer_norm_eps);
}

/** One vector per patch, after that of the class token. */
function embeddings(g: GraphBuilder, config: VisionConfig, pixelValues: Value): Value {
  const { hidden_size: width, patch_size: patch, num_channels: channels } = config;
  const batch = pixelValues.shape[0] ?? 0;
  const kernel = g.parameter("patch_embedding.weight", [width, channels, patch, patch]);
  const grid = ops.conv2d(g, pixelValues, kernel, null, { stride: patch }); // (B, D, √P, √P)
  const patches = ops.transpose(g, ops.reshape(g, grid, [batch, width, -1]), [0, 2, 1]); // (B, P, D)
  const classToken = ops.reshape(g, g.parameter("class_embedding", [width]), [1, 1, width]);
  const x = ops.concat(g, [ops.expand(g, classToken, [batch, 1, width]), patches], 1); // (B, 1 + P, D)
  return ops.add(g, x, g.parameter("position_embedding.weight", [x.shape[1] ?? 0, width]));
}

/** What weights/component-config leaves out of a file, it does not leave out of a part of it. */
function dropHarmless(json: unknown): unknown {
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).filter(([key]) => !key.startsWith("_") && !clipHarmlessKeys.includes(key)),
  );
}

const agree = (part: Readonly<Record<string, unknown>>, whole: Readonly<Record<string, unknown>>): boolean =>
  Object.entries(part).every(([key, value]) => whole[key] === undefined || whole[key] === value);
