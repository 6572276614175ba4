/**
 * @module models/sd-unet-blocks
 * What the SD UNet is stacked from: residual blocks, with or without attention to the text, one level at a time.
 *
 * Letters: B batch, C channels, H and W sides, T width of the time embedding, L text tokens, D width of the text.
 * Source: Rombach et al. 2022 (arXiv 2112.10752); names as in diffusers' CrossAttnDownBlock2D and its family.
 */

import type { GraphBuilder, Value } from "../onnx/graph.ts";
import { add, concat, repeatBatch, reshape, upsampleNearest } from "../onnx/ops.ts";
import { activate } from "./activation.ts";
import { repeatToBatch, conv2d, groupNorm, linear } from "./layers.ts";
import type { SdUnetConfig, SdUnetLevel } from "./sd-unet-config.ts";
import { transformer2d } from "./sd-unet-transformer.ts";

/** What every block sees besides the image. */
export interface Conditions {
  readonly config: SdUnetConfig;
  /** (P, T), a row for each image: timestep and class, after the activation that each residual block would start with. */
  readonly timeEmbedding: Value;
  /** (B, L, D): of more samples than images come in, where several texts are for the same image. */
  readonly encoderHiddenStates: Value;
}

export interface BlockOptions {
  readonly level: SdUnetLevel;
  /** CrossAttn...Block2D; else the plain block of the same name. */
  readonly crossAttention: boolean;
}

/**
 * Residual layers, then half the resolution unless `last`.
 * @param skips the outputs that the way up will read: this block's are added.
 * @returns x (B, C', H, W) -> (B, C, ⌈H/2⌉, ⌈W/2⌉).
 */
export function downBlock(
  g: GraphBuilder,
  name: string,
  x: Value,
  conditions: Conditions,
  { level, crossAttention, last, skips }: BlockOptions & { last: boolean; skips: Value[] },
): Value {
  return g.scope(name, () => {
    for (let i = 0; i < level.layers; i++) {
      x = resnetBlock(g, `resnets.${i}`, x, conditions, level.channels);
      if (crossAttention) x = attentionLayer(g, `attentions.${i}`, x, conditions, level, level.onlyCrossAttention);
      skips.push(x);
    }
    if (last) return x;
    x = conv2d(g, "downsamplers.0.conv", x, level.channels, { stride: 2 });
    skips.push(x);
    return x;
  });
}

/** Here the image always looks at itself first: `only_cross_attention` does not reach the middle. */
export function midBlock(g: GraphBuilder, name: string, x: Value, conditions: Conditions, level: SdUnetLevel): Value {
  return g.scope(name, () => {
    x = resnetBlock(g, "resnets.0", x, conditions, level.channels);
    x = attentionLayer(g, "attentions.0", x, conditions, level, false);
    return resnetBlock(g, "resnets.1", x, conditions, level.channels);
  });
}

/**
 * One residual layer more than on the way down, each beside one of `skips` (taken from the end), then the resolution of
 * the next skip: not always twice this one, as odd sides were rounded up on the way down.
 * @returns x (B, C', H, W) -> (B, C, H', W'); the last block, which leaves no skips, keeps its size.
 */
export function upBlock(
  g: GraphBuilder,
  name: string,
  x: Value,
  conditions: Conditions,
  { level, crossAttention, skips }: BlockOptions & { skips: Value[] },
): Value {
  return g.scope(name, () => {
    for (let i = 0; i <= level.layers; i++) {
      const skip = skips.pop();
      if (skip) x = concat(g, [x, repeatToBatch(g, skip, x)], 1); // (B, C' + skip's, H, W)
      x = resnetBlock(g, `resnets.${i}`, x, conditions, level.channels);
      if (crossAttention) x = attentionLayer(g, `attentions.${i}`, x, conditions, level, level.onlyCrossAttention);
    }
    const next = skips.at(-1);
    if (!next) return x;
    const [, , height = 0, width = 0] = next.shape;
    return conv2d(g, "upsamplers.0.conv", upsampleNearest(g, x, height, width), level.channels);
  });
}

/** @returns x (B, C', H, W) -> (B, outChannels, H, W). */
function resnetBlock(g: GraphBuilder, name: string, x: Value, conditions: Conditions, outChannels: number): Value {
  const { config } = conditions;
  const { norm_num_groups: groups, norm_eps: epsilon, act_fn: act } = config;
  const [batch = 0, inChannels] = x.shape;
  return g.scope(name, () => {
    let h = activate(g, groupNorm(g, "norm1", x, groups, epsilon), act); // (B, C', H, W)
    h = conv2d(g, "conv1", h, outChannels); // (B, C, H, W)
    const shift = linear(g, "time_emb_proj", conditions.timeEmbedding, outChannels); // (P, C)
    const [images = 1] = shift.shape;
    const shifts = images === 1 ? shift : repeatBatch(g, shift, batch / images); // of one, the same for all samples
    h = add(g, h, reshape(g, shifts, [shifts.shape[0] ?? 0, outChannels, 1, 1]));
    h = activate(g, groupNorm(g, "norm2", h, groups, epsilon), act);
    h = conv2d(g, "conv2", h, outChannels);
    if (inChannels === outChannels) return add(g, x, h);
    return add(g, conv2d(g, "conv_shortcut", x, outChannels, { kernel: 1, padding: 0 }), h);
  });
}

const attentionLayer = (
  g: GraphBuilder,
  name: string,
  x: Value,
  { config, encoderHiddenStates }: Conditions,
  { heads, transformerLayers }: SdUnetLevel,
  onlyCrossAttention: boolean,
): Value =>
  transformer2d(g, name, x, encoderHiddenStates, {
    heads,
    layers: transformerLayers,
    onlyCrossAttention,
    useLinearProjection: config.use_linear_projection,
    normGroups: config.norm_num_groups,
  });
