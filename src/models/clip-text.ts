/**
 * @module models/clip-text
 * CLIP's text tower, the text side of the x4 upscaler (there the first 23 layers of OpenCLIP ViT-H/14's).
 *
 * In:  input_ids (B, L) int64. No mask: the upscaler's pipeline gives none, and padding lies after what is read.
 * Out: last_hidden_state (B, L, D), after the last norm.
 * Letters: B batch, L tokens (77), D hidden_size (1024).
 * Source: Radford et al. 2021 (arXiv 2103.00020) §2.4; names as in transformers' CLIPTextModel.
 */

import { z } from "zod";
import { ShapeError } from "../errors.ts";
import { type Graph, GraphBuilder, type Value } from "../onnx/graph.ts";
import * as ops from "../onnx/ops.ts";
import { readComponentConfig } from "../weights/component-config.ts";
import { causalBias } from "./attention-bias.ts";
import { clipEncoder, clipTowerKeys, clipHarmlessKeys, headsFit } from "./clip-layers.ts";
import { layerNorm } from "./layers.ts";
import { count } from "./transformers-config.ts";

export const clipTextConfigSchema = z
  .strictObject({
    ...clipTowerKeys,
    model_type: z.literal("clip_text_model").default("clip_text_model"),
    vocab_size: count.default(49408),
    hidden_size: count.default(512),
    intermediate_size: count.default(2048),
    num_attention_heads: count.default(8),
    max_position_embeddings: count.default(77),
  })
  .refine(...headsFit);

export type ClipTextConfig = z.infer<typeof clipTextConfigSchema>;

/** @throws {CheckpointError} the folder's config.json is missing or holds what we do not build. */
export function readClipTextConfig(folder: string): Promise<ClipTextConfig> {
  return readComponentConfig(folder, clipTextConfigSchema, { harmless: [...clipHarmlessKeys, "projection_dim"] });
}

/** @throws {ShapeError} there are more tokens than position embeddings. */
export function buildClipText(config: ClipTextConfig, shape: { batch: number; textLength: number }): Graph {
  const { batch, textLength } = shape;
  if (textLength > config.max_position_embeddings) {
    throw new ShapeError(`clip-text: ${textLength} tokens, but only ${config.max_position_embeddings} positions`);
  }
  const g = new GraphBuilder("clip-text");
  const inputIds = g.input("input_ids", "int64", [batch, textLength]);
  const output = g.scope("text_model", () => {
    const x = g.scope("embeddings", () => embeddings(g, config, inputIds)); // (B, L, D)
    const hidden = clipEncoder(g, config, x, causalBias(g, textLength));
    return layerNorm(g, "final_layer_norm", hidden, config.layer_norm_eps);
  });
  g.output("last_hidden_state", output);
  return g.finish();
}

function embeddings(g: GraphBuilder, config: ClipTextConfig, inputIds: Value): Value {
  const { vocab_size: vocabulary, max_position_embeddings: positions, hidden_size: width } = config;
  const length = inputIds.shape[1] ?? 0;
  const tokens = ops.embedding(g, g.parameter("token_embedding.weight", [vocabulary, width]), inputIds);
  const table = g.parameter("position_embedding.weight", [positions, width]);
  return ops.add(g, tokens, length === positions ? table : ops.slice(g, table, 0, 0, length)); // (B, L, D)
}
