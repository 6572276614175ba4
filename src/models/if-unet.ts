/**
 * @module models/if-unet
 * The pixel UNet of IF's stages I and II: noisy image, timestep and text -> predicted noise and variance.
 *
 * In:  sample (B, C, H, W), stage II: the noisy image, then the enlarged low-resolution one; timestep (B);
 *      encoder_hidden_states (B, L, E); stage II also class_labels (B), the noise level; with a style also
 *      style_hidden_states (B, L, E), whose pooled text takes the prompt's place in the time embedding. All float32.
 * Out: out_sample (B, 2·3, H, W): noise, then where the variance lies in [-1, 1].
 * Letters: B batch, H and W sides (64; 256), L tokens (77), E width of T5's embeddings (4096), T of the time embedding.
 * Unlike Stable Diffusion's UNet: no transformer blocks but one attention that sees pixels and text at once, and
 * halving and doubling happen inside resnets, on both of their branches.
 * Source: names as in diffusers' UNet2DConditionModel and its ResnetDownsampleBlock2D, SimpleCrossAttnDownBlock2D,
 * UNetMidBlock2DSimpleCrossAttn, SimpleCrossAttnUpBlock2D and ResnetUpsampleBlock2D; the style is `timestep_text_emb` of
 * the original deep-floyd/IF, which diffusers lacks.
 */

import { UsageError } from "../errors.ts";
import { GraphBuilder, type Graph, type Value } from "../onnx/graph.ts";
import { concat } from "../onnx/ops.ts";
import { activate } from "./activation.ts";
import type { IfUnetConfig } from "./if-unet-config.ts";
import { attention, resnet, type Context } from "./if-unet-layers.ts";
import { projectText, textKeyValue, textTimeEmbedding } from "./if-unet-text.ts";
import { timeDimOf, timeEmbedding, timeProjection } from "./if-unet-time.ts";
import { conv2d, groupNorm } from "./layers.ts";

export interface IfUnetShape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly textLength: number;
  /** Is there a style beside the text? @default false */
  readonly styled?: boolean | undefined;
}

/** @throws {UsageError} a side is not a multiple of `sideMultiple(config)`. */
export function buildIfUnet(config: IfUnetConfig, shape: IfUnetShape): Graph {
  checkSides(config, shape);
  const { batch, height, width, textLength, styled = false } = shape;
  const g = new GraphBuilder("if-unet");
  const sample = g.input("sample", "float32", [batch, config.in_channels, height, width]);
  const timestep = g.input("timestep", "float32", [batch]);
  const textShape = [batch, textLength, config.encoder_hid_dim];
  const embeds = g.input("encoder_hidden_states", "float32", textShape);
  const style = styled ? g.input("style_hidden_states", "float32", textShape) : embeds;
  const noiseLevel = config.class_embed_type === null ? null : g.input("class_labels", "float32", [batch]);

  const text = projectText(g, config, embeds); // (B, L, cross_attention_dim)
  const textVector = textTimeEmbedding(g, config, style, timeDimOf(config)); // (B, T)
  const time = timeEmbedding(g, config, timestep, noiseLevel, textVector); // (B, T)
  const conditioning = {
    textKeyValue: (channels: number) => textKeyValue(g, config, text, channels),
    timeProjection: (channels: number) => timeProjection(g, config, time, channels),
  };
  g.output("out_sample", imageSide({ g, config, conditioning }, sample));
  return g.finish();
}

/** @returns what both sides of an image must be a multiple of: each level but the last halves them. */
const sideMultiple = (config: IfUnetConfig): number => 2 ** (config.block_out_channels.length - 1);

function checkSides(config: IfUnetConfig, { height, width }: IfUnetShape): void {
  const multiple = sideMultiple(config);
  if (height % multiple === 0 && width % multiple === 0) return;
  throw new UsageError(
    `an image of ${width} x ${height} does not fit this UNet: both sides must be multiples of ${multiple}.`,
  );
}

/** All that depends on the image: sample (B, C, H, W) -> (B, out_channels, H, W). */
function imageSide(context: Context, sample: Value): Value {
  const { g, config } = context;
  let x = conv2d(g, "conv_in", sample, config.block_out_channels[0]);
  const skips = [x];
  for (const level of config.down_block_types.keys()) x = downBlock(context, level, x, skips);
  x = midBlock(context, x);
  for (const level of config.up_block_types.keys()) x = upBlock(context, level, x, skips);
  x = activate(g, groupNorm(g, "conv_norm_out", x, config.norm_num_groups, config.norm_eps), config.act_fn);
  return conv2d(g, "conv_out", x, config.out_channels);
}

/** Level `level`, counted from the top; what it makes on the way is pushed on `skips`. Halves both sides, save the last. */
function downBlock(context: Context, level: number, x: Value, skips: Value[]): Value {
  const { g, config } = context;
  const options = resnetOptions(config, level);
  const attends = config.down_block_types[level] === "SimpleCrossAttnDownBlock2D";
  return g.scope(`down_blocks.${level}`, () => {
    for (let layer = 0; layer < layersAt(config, level); layer++) {
      x = resnet(context, `resnets.${layer}`, x, options);
      if (attends) x = attention(context, `attentions.${layer}`, x, { onlyCross: config.only_cross_attention });
      skips.push(x);
    }
    if (level === config.block_out_channels.length - 1) return x;
    x = resnet(context, "downsamplers.0", x, { ...options, resample: "down" });
    skips.push(x);
    return x;
  });
}

function midBlock(context: Context, x: Value): Value {
  const { g, config } = context;
  const channels = config.block_out_channels.at(-1) ?? 0;
  const options = { channels, outScaleFactor: config.mid_block_scale_factor };
  const onlyCross = config.mid_block_only_cross_attention ?? config.only_cross_attention;
  return g.scope("mid_block", () => {
    x = resnet(context, "resnets.0", x, options);
    x = attention(context, "attentions.0", x, { onlyCross });
    return resnet(context, "resnets.1", x, options);
  });
}

/** Block `index`, counted from the bottom: each layer takes one feature map from `skips`. Doubles both sides, save the last. */
function upBlock(context: Context, index: number, x: Value, skips: Value[]): Value {
  const { g, config } = context;
  const level = config.block_out_channels.length - 1 - index;
  const options = resnetOptions(config, level);
  const attends = config.up_block_types[index] === "SimpleCrossAttnUpBlock2D";
  return g.scope(`up_blocks.${index}`, () => {
    for (let layer = 0; layer <= layersAt(config, level); layer++) {
      x = concat(g, [x, ...skips.splice(-1)], 1);
      x = resnet(context, `resnets.${layer}`, x, options);
      if (attends) x = attention(context, `attentions.${layer}`, x, { onlyCross: config.only_cross_attention });
    }
    return level === 0 ? x : resnet(context, "upsamplers.0", x, { ...options, resample: "up" });
  });
}

const resnetOptions = (config: IfUnetConfig, level: number): { channels: number; outScaleFactor: number } => ({
  channels: config.block_out_channels[level] ?? 0,
  outScaleFactor: config.resnet_out_scale_factor,
});

const layersAt = ({ layers_per_block: layers }: IfUnetConfig, level: number): number =>
  typeof layers === "number" ? layers : (layers[level] ?? 0);
