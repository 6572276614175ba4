/**
 * @module models/clip-layers
 * The transformer that CLIP's two towers share: pre-norm blocks of self-attention and a two-layer perceptron.
 *
 * Letters: B batch, L positions (tokens or patches), D hidden_size, F intermediate_size.
 * Source: Radford et al. 2021 (arXiv 2103.00020) §2.4; names as in transformers' CLIPEncoder.
 */

import { z } from "zod";
import type { GraphBuilder, Value } from "../onnx/graph.ts";
import * as ops from "../onnx/ops.ts";
import { layerNorm, linear } from "./layers.ts";
import { count, encoderOnlyKeys, transformersHarmlessKeys } from "./transformers-config.ts";

/** Keys of either tower, with the defaults both have; `hidden_size` and the like differ. */
export const clipTowerKeys = {
  ...encoderOnlyKeys,
  hidden_act: z.enum(["quick_gelu", "gelu"]).default("quick_gelu"),
  layer_norm_eps: z.number().positive().default(1e-5),
  num_hidden_layers: count.default(12),
};

/** Keys of either tower that do not touch the numbers. */
export const clipHarmlessKeys = [...transformersHarmlessKeys, "attention_dropout", "dropout"];

export interface ClipTowerConfig {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly hidden_act: "quick_gelu" | "gelu";
  readonly layer_norm_eps: number;
}

/** Can the hidden state be split among the heads? For a schema's `refine`. */
export const headsFit: [(config: ClipTowerConfig) => boolean, { path: string[]; error: string }] = [
  (config) => config.hidden_size % config.num_attention_heads === 0,
  { path: ["num_attention_heads"], error: "it does not divide hidden_size" },
];

/** x (B, L, D) -> (B, L, D), without the last norm. `bias`: added to the attention scores, to (B, heads, L, L). */
export function clipEncoder(g: GraphBuilder, config: ClipTowerConfig, x: Value, bias?: Value): Value {
  return g.scope("encoder", () => {
    let hidden = x;
    for (let index = 0; index < config.num_hidden_layers; index++) {
      hidden = g.scope(`layers.${index}`, () => encoderLayer(g, config, hidden, bias));
    }
    return hidden;
  });
}

function encoderLayer(g: GraphBuilder, config: ClipTowerConfig, x: Value, bias: Value | undefined): Value {
  const normed = layerNorm(g, "layer_norm1", x, config.layer_norm_eps);
  const attended = ops.add(
    g,
    x,
    g.scope("self_attn", () => selfAttention(g, config, normed, bias)),
  );
  const normed2 = layerNorm(g, "layer_norm2", attended, config.layer_norm_eps);
  return ops.add(
    g,
    attended,
    g.scope("mlp", () => mlp(g, config, normed2)),
  );
}

function selfAttention(g: GraphBuilder, config: ClipTowerConfig, x: Value, bias: Value | undefined): Value {
  const { hidden_size: width, num_attention_heads: heads } = config;
  const q = linear(g, "q_proj", x, width); // (B, L, D)
  const k = linear(g, "k_proj", x, width);
  const v = linear(g, "v_proj", x, width);
  const scale = (width / heads) ** -0.5;
  return linear(g, "out_proj", ops.attention(g, q, k, v, { heads, scale, ...(bias && { bias }) }), width);
}

function mlp(g: GraphBuilder, config: ClipTowerConfig, x: Value): Value {
  const hidden = linear(g, "fc1", x, config.intermediate_size); // (B, L, F)
  const activated = ops.gelu(g, hidden, config.hidden_act === "quick_gelu" ? "quick" : "none");
  return linear(g, "fc2", activated, config.hidden_size); // (B, L, D)
}
