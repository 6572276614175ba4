/**
 * @module models/if-unet-time
 * The time side of IF's UNet: what the resnets take from the timestep, the noise level and the text's vector.
 * Small, and independent of the image.
 *
 * Letters: B batch, T width of the time embedding, C channels of a resnet.
 * Source: names as in diffusers' UNet2DConditionModel and ResnetBlock2D; scale and shift: Dhariwal & Nichol 2021
 * (arXiv 2105.05233) §3.1.
 */

import type { GraphBuilder, Value } from "../onnx/graph.ts";
import { add } from "../onnx/ops.ts";
import { activate } from "./activation.ts";
import type { IfUnetConfig } from "./if-unet-config.ts";
import { linear } from "./layers.ts";
import { timeEmbeddingMlp, timestepEmbedding } from "./time-embedding.ts";

/** @returns T, the width of the time embedding. */
export const timeDimOf = (config: IfUnetConfig): number =>
  config.time_embedding_dim ?? 4 * config.block_out_channels[0];

/**
 * @param timestep   (B) float32.
 * @param noiseLevel (B) float32, how much noise the low-resolution image was given; null for stage I.
 * @param textVector (B, T), from `textTimeEmbedding`.
 * @returns (B, T), ready for `timeProjection`.
 */
export function timeEmbedding(
  g: GraphBuilder,
  config: IfUnetConfig,
  timestep: Value,
  noiseLevel: Value | null,
  textVector: Value,
): Value {
  const { act_fn: act, timestep_post_act: postAct, time_embedding_act_fn: embedAct } = config;
  const dim = timeDimOf(config);
  let embedding = timeEmbeddingMlp(g, "time_embedding", sinusoids(g, config, timestep), dim, { act, postAct });
  if (noiseLevel) {
    const level = timeEmbeddingMlp(g, "class_embedding", sinusoids(g, config, noiseLevel), dim, { act });
    embedding = add(g, embedding, level);
  }
  embedding = add(g, embedding, textVector);
  if (embedAct !== null) embedding = activate(g, embedding, embedAct);
  return config.resnet_skip_time_act ? embedding : activate(g, embedding, act); // every resnet would do the same again
}

function sinusoids(g: GraphBuilder, config: IfUnetConfig, numbers: Value): Value {
  const options = { flipSinToCos: config.flip_sin_to_cos, freqShift: config.freq_shift };
  return timestepEmbedding(g, numbers, config.block_out_channels[0], options); // (B, block_out_channels[0])
}

/**
 * What the resnet whose scope is open takes from the time embedding.
 * @returns (B, 2·channels), scales then shifts; with resnet_time_scale_shift "default" (B, channels), to be added.
 */
export const timeProjection = (g: GraphBuilder, config: IfUnetConfig, embedding: Value, channels: number): Value =>
  linear(g, "time_emb_proj", embedding, config.resnet_time_scale_shift === "scale_shift" ? 2 * channels : channels);
