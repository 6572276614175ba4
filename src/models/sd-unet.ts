/**
 * @module models/sd-unet
 * The x4 upscaler's UNet over latents: diffusers' UNet2DConditionModel with Stable Diffusion's blocks.
 *
 * In:  sample (B, C, H, W) float32: latents, then the low-resolution image, as channels; timestep (B) float32;
 *      encoder_hidden_states (n·B, L, D) float32: CLIP's; class_labels (B) int64: the image's noise level.
 * Out: out_sample (n·B, O, H, W): the noise or v, as the scheduler's prediction_type says.
 * Letters: B batch, n texts per image, C channels in (7), O channels out (4), H and W sides of the latents, L text tokens (77),
 *          D width of the text (1024), T width of the time embedding (1024).
 * Unlike IF's UNet: resolution changes by convolutions of their own, the timestep is added before the second norm, and
 * text reaches the image through transformer blocks whose attention is split by a head count, not a head size.
 * Source: Rombach et al. 2022 (arXiv 2112.10752); names as in the checkpoints.
 */

import { ShapeError } from "../errors.ts";
import { GraphBuilder, type Graph, type Value } from "../onnx/graph.ts";
import { add, embedding } from "../onnx/ops.ts";
import { activate } from "./activation.ts";
import { repeatToBatch, conv2d, groupNorm } from "./layers.ts";
import { downBlock, midBlock, upBlock, type Conditions } from "./sd-unet-blocks.ts";
import { sdUnetLevels, type SdUnetConfig } from "./sd-unet-config.ts";
import { timeEmbeddingMlp, timestepEmbedding } from "./time-embedding.ts";

export interface SdUnetShape {
  /** Images, each with its timestep and class. */
  readonly batch: number;
  /**
   * Texts for each image, 1 if absent: first one of each, then the next of each. Up to the first attention, at the
   * largest feature maps, the image is computed once for all of them.
   */
  readonly textsPerImage?: number;
  /** Sides of the latents, any: odd ones are rounded up when halved. */
  readonly height: number;
  readonly width: number;
  readonly textLength: number;
}

/**
 * The network for samples of which each image has `texts`, one of them at the time if not all samples are taken at once.
 * @param samples those that are there. @param batch those that are taken at once.
 */
export const buildSdUnetForTexts = (
  config: SdUnetConfig,
  { samples, texts, ...shape }: Omit<SdUnetShape, "batch" | "textsPerImage"> & { samples: number; texts: number },
  batch: number,
): Graph =>
  batch === samples
    ? buildSdUnet(config, { ...shape, batch: batch / texts, textsPerImage: texts })
    : buildSdUnet(config, { ...shape, batch });

/** @throws {ShapeError} the layers do not fit together: a mistake here, as the configuration was checked. */
export function buildSdUnet(config: SdUnetConfig, shape: SdUnetShape): Graph {
  const { batch, height, width, textLength, textsPerImage = 1 } = shape;
  const g = new GraphBuilder("sd-unet");
  const sample = g.input("sample", "float32", [batch, config.in_channels, height, width]);
  const timestep = g.input("timestep", "float32", [batch]);
  const encoderHiddenStates = g.input("encoder_hidden_states", "float32", [
    batch * textsPerImage,
    textLength,
    config.cross_attention_dim,
  ]);
  const classLabels = g.input("class_labels", "int64", [batch]);

  const timeEmbedding = embedTime(g, config, timestep, classLabels); // (B, T)
  const conditions = { config, timeEmbedding, encoderHiddenStates };
  const x = repeatToBatch(g, unetBody(g, config, sample, conditions), encoderHiddenStates); // (B, C0, H, W)
  const normed = groupNorm(g, "conv_norm_out", x, config.norm_num_groups, config.norm_eps);
  g.output("out_sample", conv2d(g, "conv_out", activate(g, normed, config.act_fn), config.out_channels));
  return g.finish();
}

/** Sinusoids of the timestep through two layers, plus a row of the table of classes -> (B, T). */
function embedTime(g: GraphBuilder, config: SdUnetConfig, timestep: Value, classLabels: Value): Value {
  const { act_fn: act, timestep_post_act: postAct, flip_sin_to_cos: flipSinToCos, freq_shift: freqShift } = config;
  const channels = config.block_out_channels[0] ?? 0;
  const dim = config.time_embedding_dim ?? 4 * channels;
  const waves = timestepEmbedding(g, timestep, channels, { flipSinToCos, freqShift }); // (B, C0)
  const time = timeEmbeddingMlp(g, "time_embedding", waves, dim, { act, postAct });
  const noiseLevel = g.scope("class_embedding", () =>
    embedding(g, g.parameter("weight", [config.num_class_embeds, dim]), classLabels),
  );
  return activate(g, add(g, time, noiseLevel), act); // once here, as every residual block starts with it
}

/** Down, through the middle, and up again beside what the way down left: (B, C, H, W) -> (B, C0, H, W). */
function unetBody(g: GraphBuilder, config: SdUnetConfig, sample: Value, conditions: Conditions): Value {
  const levels = sdUnetLevels(config);
  const smallest = levels.at(-1);
  if (!smallest) throw new ShapeError("sd-unet: the configuration has no levels");
  let x = conv2d(g, "conv_in", sample, config.block_out_channels[0] ?? 0);
  const skips = [x];
  levels.forEach((level, i) => {
    const crossAttention = config.down_block_types[i] === "CrossAttnDownBlock2D";
    x = downBlock(g, `down_blocks.${i}`, x, conditions, { level, crossAttention, last: level === smallest, skips });
  });
  x = midBlock(g, "mid_block", x, conditions, smallest);
  levels.reverse().forEach((level, i) => {
    const crossAttention = config.up_block_types[i] === "CrossAttnUpBlock2D";
    x = upBlock(g, `up_blocks.${i}`, x, conditions, { level, crossAttention, skips });
  });
  return x;
}
