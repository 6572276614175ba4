/**
 * @module models/t5-encoder
 * T5 v1.1 encoder, the text side of IF. Described once; onnx/lower/* fits it to a device.
 *
 * In:  input_ids (B, L) int64, attention_mask (B, L) int64 (1 = real token; all 1 where the reference gets none);
 *      beside an empty text, empty_ids (1, 2) int64: its one token and one of its pads.
 * Out: last_hidden_state (B, L, D); beside an empty text, empty_hidden_state (1, 2, D): of its token and of any of its pads.
 * Letters: B batch, L tokens (77), V vocabulary (32128, more than the tokenizer has), D d_model (4096), H heads (64),
 * K d_kv (64), F d_ff (10240), N buckets (32).
 * Unlike most transformers: no 1/√K in attention, RMS norm without bias, one position bias shared by all blocks.
 * Source: Raffel et al. 2020 (arXiv 1910.10683) §2.1; names as in transformers' T5EncoderModel.
 */

import { z } from "zod";
import { elementCount } from "../math/tensor.ts";
import { type Graph, GraphBuilder, type Value } from "../onnx/graph.ts";
import * as ops from "../onnx/ops.ts";
import { readComponentConfig } from "../weights/component-config.ts";
import { paddingBias } from "./attention-bias.ts";
import { linear } from "./layers.ts";
import { relativePositionBuckets } from "./relative-position.ts";
import { count, encoderOnlyKeys, transformersHarmlessKeys } from "./transformers-config.ts";

export const t5EncoderConfigSchema = z.strictObject({
  ...encoderOnlyKeys,
  model_type: z.literal("t5").default("t5"),
  vocab_size: count.default(32128),
  d_model: count.default(512),
  d_kv: count.default(64),
  d_ff: count.default(2048),
  num_layers: count.default(6),
  num_heads: count.default(8),
  relative_attention_num_buckets: z.int().min(4).multipleOf(4).default(32),
  relative_attention_max_distance: count.default(128),
  layer_norm_epsilon: z.number().positive().default(1e-6),
  feed_forward_proj: z.literal("gated-gelu"), // v1.1's; absent, it would be the first T5's "relu"
  dense_act_fn: z.literal("gelu_new").default("gelu_new"), // what transformers makes of "gated-gelu"
  is_gated_act: z.literal(true).default(true),
});

export type T5EncoderConfig = z.infer<typeof t5EncoderConfigSchema>;

const harmless = [
  ...transformersHarmlessKeys,
  "num_decoder_layers",
  "dropout_rate",
  "classifier_dropout",
  "output_past",
  "n_positions",
  "scale_decoder_outputs",
];

/** @throws {CheckpointError} the folder's config.json is missing or holds what we do not build. */
export function readT5EncoderConfig(folder: string): Promise<T5EncoderConfig> {
  return readComponentConfig(folder, t5EncoderConfigSchema, { harmless });
}

export interface T5EncoderShape {
  readonly batch: number;
  /** May be any number of tokens: positions are relative. */
  readonly textLength: number;
  /**
   * Is an empty text encoded beside the batch? All its tokens attend to its first one alone, which is the only one that is no
   * pad, so that what attention gives is that one's value, and the rows of its pads are all alike: two rows are all of it.
   * @default false
   */
  readonly hasEmptyText?: boolean;
}

export function buildT5Encoder(config: T5EncoderConfig, shape: T5EncoderShape): Graph {
  const { batch, textLength, hasEmptyText = false } = shape;
  const g = new GraphBuilder("t5-encoder");
  const inputIds = g.input("input_ids", "int64", [batch, textLength]);
  const attentionMask = g.input("attention_mask", "int64", [batch, textLength]);
  const emptyIds = hasEmptyText ? g.input("empty_ids", "int64", [1, EMPTY_ROWS]) : undefined;
  const table = g.parameter("shared.weight", [config.vocab_size, config.d_model], ["encoder.embed_tokens.weight"]);
  const embedded = ops.embedding(g, table, inputIds); // (B, L, D)
  let x = emptyIds ? joinRows(g, embedded, ops.embedding(g, table, emptyIds)) : embedded;
  const output = g.scope("encoder", () => {
    const bias = ops.add(g, positionBias(g, config, textLength), paddingBias(g, attentionMask)); // (B, H, L, L)
    for (let index = 0; index < config.num_layers; index++) {
      x = g.scope(`block.${index}`, () => block(g, config, x, bias));
    }
    return rmsNorm(g, "final_layer_norm", x, config);
  });
  if (emptyIds) {
    const [rows = 0, width = 0] = output.shape;
    g.output("last_hidden_state", textRows(g, output, batch, textLength));
    const empty = ops.slice(g, output, 0, batch * textLength, rows);
    g.output("empty_hidden_state", ops.reshape(g, empty, [1, EMPTY_ROWS, width]));
  } else {
    g.output("last_hidden_state", output);
  }
  return g.finish();
}

/** Of an empty text: its token's and a pad's. */
const EMPTY_ROWS = 2;

/** (B, L, W) and the empty text's (..., 2, W) -> (B·L + 2, W). */
function joinRows(g: GraphBuilder, texts: Value, empty: Value): Value {
  const width = texts.shape.at(-1) ?? 0;
  const rows = (x: Value): Value => ops.reshape(g, x, [elementCount(x.shape) / width, width]);
  return ops.concat(g, [rows(texts), rows(empty)], 0);
}

/** (B·L + 2, W) -> (B, L, W), without the empty text's. */
function textRows(g: GraphBuilder, x: Value, batch: number, length: number): Value {
  return ops.reshape(g, ops.slice(g, x, 0, 0, batch * length), [batch, length, x.shape[1] ?? 0]);
}

/** x (B, L, D), or (B·L + 2, D) with an empty text's rows, bias (B, H, L, L) -> as x. */
function block(g: GraphBuilder, config: T5EncoderConfig, x: Value, bias: Value): Value {
  const attended = g.scope("layer.0", () => {
    const normed = rmsNorm(g, "layer_norm", x, config);
    return ops.add(
      g,
      x,
      g.scope("SelfAttention", () => selfAttention(g, config, normed, bias)),
    );
  });
  return g.scope("layer.1", () => {
    const normed = rmsNorm(g, "layer_norm", attended, config);
    return ops.add(
      g,
      attended,
      g.scope("DenseReluDense", () => feedForward(g, config, normed)),
    );
  });
}

function selfAttention(g: GraphBuilder, config: T5EncoderConfig, x: Value, bias: Value): Value {
  const { num_heads: heads, d_kv, d_model } = config;
  const inner = heads * d_kv;
  const project = (name: string, of: Value): Value => linear(g, name, of, inner, { bias: false });
  const attend = (q: Value, k: Value, v: Value): Value => ops.attention(g, q, k, v, { heads, scale: 1, bias });
  const output = (attended: Value): Value => linear(g, "o", attended, d_model, { bias: false });
  if (x.shape.length === 3) return output(attend(project("q", x), project("k", x), project("v", x))); // (B, L, D)
  const [batch = 0, , length = 0] = bias.shape;
  const texts = textRows(g, x, batch, length);
  const values = project("v", x);
  const emptyValue = ops.slice(g, values, 0, batch * length, batch * length + 1); // (1, H·K): all that its tokens attend to
  const attended = attend(project("q", texts), project("k", texts), textRows(g, values, batch, length));
  return output(joinRows(g, attended, ops.concat(g, [emptyValue, emptyValue], 0)));
}

/** Gated GELU, Shazeer 2020 (arXiv 2002.05202) eq. 6, in its tanh form. The published name is older than the gate. */
function feedForward(g: GraphBuilder, config: T5EncoderConfig, x: Value): Value {
  const gate = ops.gelu(g, linear(g, "wi_0", x, config.d_ff, { bias: false }), "tanh"); // (B, L, F)
  const hidden = linear(g, "wi_1", x, config.d_ff, { bias: false });
  return linear(g, "wo", ops.mul(g, gate, hidden), config.d_model, { bias: false }); // (B, L, D)
}

/** What each head adds for each relative position: learned by block 0, used by all. @returns (1, H, L, L). */
function positionBias(g: GraphBuilder, config: T5EncoderConfig, length: number): Value {
  const { num_heads: heads, relative_attention_num_buckets: numBuckets } = config;
  const buckets = relativePositionBuckets(length, numBuckets, config.relative_attention_max_distance);
  const table = g.scope("block.0.layer.0.SelfAttention.relative_attention_bias", () =>
    g.parameter("weight", [numBuckets, heads]),
  );
  const byHead = ops.transpose(g, table, [1, 0]); // (H, N)
  const bias = ops.gather(g, byHead, g.constant(buckets, [length, length]), 1); // (H, L, L)
  return ops.reshape(g, bias, [1, heads, length, length]);
}

const rmsNorm = (g: GraphBuilder, name: string, x: Value, config: T5EncoderConfig): Value =>
  g.scope(name, () => ops.rmsNorm(g, x, g.parameter("weight", [config.d_model]), config.layer_norm_epsilon));
