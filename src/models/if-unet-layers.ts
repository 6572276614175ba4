/**
 * @module models/if-unet-layers
 * The two layers all blocks of IF's UNet are made of: a resnet told the time, and an attention told the text.
 *
 * Letters: B batch, C channels, H and W sides, N = H·W pixels, L tokens.
 * Source: names as in diffusers' ResnetBlock2D and Attention with AttnAddedKVProcessor.
 */

import type { GraphBuilder, Value } from "../onnx/graph.ts";
import * as ops from "../onnx/ops.ts";
import { activate } from "./activation.ts";
import type { IfUnetConfig } from "./if-unet-config.ts";
import type { KeyValue } from "./if-unet-text.ts";
import { conv2d, groupNorm, linear } from "./layers.ts";

/** What layers take from text and time. Asked with the layer's scope open, so that weights get its name. */
interface Conditioning {
  /** The text's keys and values for an attention of so many channels, each (B, L, channels). */
  readonly textKeyValue: (channels: number) => KeyValue;
  /** The time's scales and shifts for a resnet of so many channels, as `timeProjection` gives them. */
  readonly timeProjection: (channels: number) => Value;
}

/** What every layer of a network is built with. */
export interface Context {
  readonly g: GraphBuilder;
  readonly config: IfUnetConfig;
  readonly conditioning: Conditioning;
}

interface ResnetOptions {
  readonly channels: number;
  /** The sum of both branches is divided by this. */
  readonly outScaleFactor: number;
  readonly resample?: "down" | "up";
}

/** @returns x (B, C, H, W) -> (B, channels, H', W'), both sides halved or doubled where `resample` says so. */
export function resnet(
  { g, config, conditioning }: Context,
  name: string,
  x: Value,
  { channels, outScaleFactor, resample }: ResnetOptions,
): Value {
  const { norm_num_groups: groups, norm_eps: epsilon, act_fn: act } = config;
  return g.scope(name, () => {
    let hidden = activate(g, groupNorm(g, "norm1", x, groups, epsilon), act);
    hidden = conv2d(g, "conv1", resampled(g, hidden, resample), channels); // (B, channels, H', W')
    hidden = activate(g, timedNorm(g, config, hidden, conditioning.timeProjection(channels)), act);
    hidden = conv2d(g, "conv2", hidden, channels);
    const sum = ops.add(g, shortcut(g, resampled(g, x, resample), channels), hidden);
    return outScaleFactor === 1 ? sum : ops.div(g, sum, g.scalar(outScaleFactor));
  });
}

/** Halves by the mean of 2x2 pixels, doubles by repeating them. */
function resampled(g: GraphBuilder, x: Value, resample: "down" | "up" | undefined): Value {
  const [, , height = 0, width = 0] = x.shape;
  if (resample === "down") return ops.averagePool2x(g, x);
  return resample === "up" ? ops.upsampleNearest(g, x, 2 * height, 2 * width) : x;
}

function shortcut(g: GraphBuilder, x: Value, channels: number): Value {
  return x.shape[1] === channels ? x : conv2d(g, "conv_shortcut", x, channels, { kernel: 1, padding: 0 });
}

/**
 * norm2 and the time. norm(x)·(1 + scale) + shift, norm being n·weight + bias, is one normalisation with
 * n·(weight·(1 + scale)) + (bias·(1 + scale) + shift): the feature map is passed over once, the rest is (B, C).
 */
function timedNorm(g: GraphBuilder, config: IfUnetConfig, x: Value, time: Value): Value {
  const [batch = 0, channels = 0] = x.shape;
  const { norm_num_groups: groups, norm_eps: epsilon } = config;
  if (config.resnet_time_scale_shift === "default") {
    return groupNorm(g, "norm2", ops.add(g, x, ops.reshape(g, time, [batch, channels, 1, 1])), groups, epsilon);
  }
  return g.scope("norm2", () => {
    const scale = ops.add(g, ops.slice(g, time, 1, 0, channels), g.scalar(1)); // (B, C)
    const shift = ops.slice(g, time, 1, channels, 2 * channels); // (B, C)
    const weight = ops.mul(g, g.parameter("weight", [channels]), scale); // (B, C)
    const bias = ops.add(g, ops.mul(g, g.parameter("bias", [channels]), scale), shift); // (B, C)
    return ops.groupNorm(g, x, weight, bias, { groups, epsilon });
  });
}

/**
 * Pixels attend to the text and, unless `onlyCross`, to each other in the same softmax: keys and values of both are
 * joined. @returns x (B, C, H, W) -> (B, C, H, W).
 */
export function attention(
  { g, config, conditioning }: Context,
  name: string,
  x: Value,
  { onlyCross }: { onlyCross: boolean },
): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const headDim = config.attention_head_dim; // the size of a head, unlike in other UNets
  return g.scope(name, () => {
    const normed = groupNorm(g, "group_norm", x, config.norm_num_groups, 1e-5); // torch's ε, not the config's
    const pixels = ops.transpose(g, ops.reshape(g, normed, [batch, channels, height * width]), [0, 2, 1]); // (B, N, C)
    const text = conditioning.textKeyValue(channels); // (B, L, C) each
    const q = linear(g, "to_q", pixels, channels); // (B, N, C)
    const k = onlyCross ? text.key : ops.concat(g, [text.key, linear(g, "to_k", pixels, channels)], 1); // (B, L + N, C)
    const v = onlyCross ? text.value : ops.concat(g, [text.value, linear(g, "to_v", pixels, channels)], 1);
    const mixed = ops.attention(g, q, k, v, { heads: channels / headDim, scale: 1 / Math.sqrt(headDim) }); // (B, N, C)
    const out = ops.transpose(g, linear(g, "to_out.0", mixed, channels), [0, 2, 1]); // (B, C, N)
    return ops.add(g, ops.reshape(g, out, x.shape), x);
  });
}
