/**
 * @module models/if-unet-text
 * The text side of IF's UNet: all that depends on the prompt alone, the same in every denoising step.
 *
 * Letters: B batch, L tokens (77), E width of T5's embeddings (4096), X cross_attention_dim, T width of the time
 * embedding, C channels of an attention.
 * Source: names as in diffusers' UNet2DConditionModel, TextTimeEmbedding, AttentionPooling and AttnAddedKVProcessor.
 */

import type { GraphBuilder, Value } from "../onnx/graph.ts";
import { add, attention, concat, matMul, reshape, transpose } from "../onnx/ops.ts";
import { normCrossGroups, type IfUnetConfig } from "./if-unet-config.ts";
import { groupNorm, layerNorm, linear } from "./layers.ts";

const epsilon = 1e-5; // torch's default in all three norms, whatever the config's norm_eps is

export interface KeyValue {
  readonly key: Value;
  readonly value: Value;
}

/** @returns T5's embeddings (B, L, E) as the attentions take them, (B, L, X). */
export const projectText = (g: GraphBuilder, config: IfUnetConfig, text: Value): Value =>
  linear(g, "encoder_hid_proj", text, config.cross_attention_dim);

/**
 * The text's keys and values for the attention whose scope is open.
 * @param text (B, L, X), from `projectText`.
 * @returns each (B, L, channels).
 */
export function textKeyValue(g: GraphBuilder, config: IfUnetConfig, text: Value, channels: number): KeyValue {
  const normed = config.cross_attention_norm === null ? text : normCross(g, text); // (B, L, X)
  return { key: linear(g, "add_k_proj", normed, channels), value: linear(g, "add_v_proj", normed, channels) };
}

/** Group normalisation counts X as channels and takes its statistics over all tokens. */
function normCross(g: GraphBuilder, text: Value): Value {
  const byChannel = transpose(g, text, [0, 2, 1]); // (B, X, L)
  return transpose(g, groupNorm(g, "norm_cross", byChannel, normCrossGroups, epsilon), [0, 2, 1]);
}

/** @returns one vector for the whole text, to be added to the time embedding: (B, L, E) -> (B, T). */
export function textTimeEmbedding(g: GraphBuilder, config: IfUnetConfig, text: Value, timeDim: number): Value {
  return g.scope("add_embedding", () => {
    const normed = layerNorm(g, "norm1", text, epsilon);
    const pooled = attentionPooling(g, "pool", normed, config.addition_embed_type_num_heads); // (B, E)
    return layerNorm(g, "norm2", linear(g, "proj", pooled, timeDim), epsilon); // (B, T)
  });
}

/** One query, the mean of all tokens plus a learnt vector, attends to itself and to every token: (B, L, E) -> (B, E). */
function attentionPooling(g: GraphBuilder, name: string, x: Value, heads: number): Value {
  const [batch = 0, length = 0, width = 0] = x.shape;
  return g.scope(name, () => {
    const mean = matMul(g, g.constant(new Float32Array(length).fill(1 / length), [1, length]), x); // (B, 1, E)
    const query = add(g, mean, g.parameter("positional_embedding", [1, width])); // (B, 1, E)
    const tokens = concat(g, [query, x], 1); // (B, 1 + L, E)
    const [q, k, v] = [
      linear(g, "q_proj", query, width),
      linear(g, "k_proj", tokens, width),
      linear(g, "v_proj", tokens, width),
    ];
    const pooled = attention(g, q, k, v, { heads, scale: 1 / Math.sqrt(width / heads) }); // (B, 1, E)
    return reshape(g, pooled, [batch, width]);
  });
}
