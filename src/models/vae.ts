/**
 * @module models/vae
 * AutoencoderKL, the upscaler's way between pixels and latents: 2^(blocks - 1) times fewer pixels a side, 4 channels.
 *
 * Decoder in:  latents (B, C, h, w) float32, already divided by scaling_factor.   Out: sample (B, 3, H, W), about [-1, 1].
 * Encoder in:  image (B, 3, H, W) float32, [-1, 1].   Out: moments (B, 2C, h, w): mean, then log variance (not yet
 *              clamped to [-30, 20] as the reference does before it draws a sample).
 * Letters: B batch, C latent_channels (4), H, W sides of the image, h, w of the latents (H / 4), N = h·w.
 * Source: Rombach et al. 2022 (arXiv 2112.10752) §3.1; names as in diffusers' AutoencoderKL.
 */

import { z } from "zod";
import { type Graph, GraphBuilder, type Value } from "../onnx/graph.ts";
import * as ops from "../onnx/ops.ts";
import { readComponentConfig } from "../weights/component-config.ts";
import { conv2d, groupNorm, linear } from "./layers.ts";

const count = z.int().positive();

export const vaeConfigSchema = z
  .strictObject({
    _class_name: z.literal("AutoencoderKL").optional(),
    in_channels: count.default(3),
    out_channels: count.default(3),
    down_block_types: z.array(z.literal("DownEncoderBlock2D")).default(["DownEncoderBlock2D"]),
    up_block_types: z.array(z.literal("UpDecoderBlock2D")).default(["UpDecoderBlock2D"]),
    block_out_channels: z.array(count).min(1).default([64]),
    layers_per_block: count.default(1),
    act_fn: z.enum(["silu", "swish"]).default("silu"), // two names of one function
    latent_channels: count.default(4),
    norm_num_groups: count.default(32),
    mid_block_add_attention: z.boolean().default(true),
    use_quant_conv: z.boolean().default(true),
    use_post_quant_conv: z.boolean().default(true),
    /** Latents are multiplied by it once encoded. The upscaler's pipeline takes 0.08333 whatever stands here. */
    scaling_factor: z.number().positive().default(0.18215),
    shift_factor: z.null().optional(),
    latents_mean: z.null().optional(),
    latents_std: z.null().optional(),
  })
  .refine((config) => sameLength(config.block_out_channels, config.down_block_types, config.up_block_types), {
    path: ["block_out_channels"],
    error: "down_block_types or up_block_types has another length",
  })
  .refine((config) => config.block_out_channels.every((channels) => channels % config.norm_num_groups === 0), {
    path: ["norm_num_groups"],
    error: "it does not divide each of block_out_channels",
  });

export type VaeConfig = z.infer<typeof vaeConfigSchema>;

/** @throws {CheckpointError} the folder's config.json is missing or holds what we do not build. */
export function readVaeConfig(folder: string): Promise<VaeConfig> {
  return readComponentConfig(folder, vaeConfigSchema, {
    harmless: ["sample_size", "force_upcast"], // for tiling, and for float16
  });
}

/** @param shape sides of the latents; the image's are 2^(blocks - 1) times as long. */
export function buildVaeDecoder(config: VaeConfig, shape: { batch: number; height: number; width: number }): Graph {
  const g = new GraphBuilder("vae-decoder");
  const latents = g.input("latents", "float32", [shape.batch, config.latent_channels, shape.height, shape.width]);
  const z0 = config.use_post_quant_conv ? conv1x1(g, "post_quant_conv", latents, config.latent_channels) : latents;
  const widths = config.block_out_channels.toReversed();
  const sample = g.scope("decoder", () => {
    let x = conv2d(g, "conv_in", z0, widths[0] ?? 0);
    x = g.scope("mid_block", () => midBlock(g, config, x));
    for (const [index, width] of widths.entries()) {
      const last = index === widths.length - 1;
      x = g.scope(`up_blocks.${index}`, () => {
        const y = resnets(g, config, x, width, config.layers_per_block + 1);
        return last ? y : g.scope("upsamplers.0", () => upsample(g, y));
      });
    }
    return head(g, config, x, config.out_channels);
  });
  g.output("sample", sample);
  return g.finish();
}

/** @param shape sides of the image; a side that does not halve evenly is rounded down. */
export function buildVaeEncoder(config: VaeConfig, shape: { batch: number; height: number; width: number }): Graph {
  const g = new GraphBuilder("vae-encoder");
  const image = g.input("image", "float32", [shape.batch, config.in_channels, shape.height, shape.width]);
  const widths = config.block_out_channels;
  const moments = g.scope("encoder", () => {
    let x = conv2d(g, "conv_in", image, widths[0] ?? 0);
    for (const [index, width] of widths.entries()) {
      const last = index === widths.length - 1;
      x = g.scope(`down_blocks.${index}`, () => {
        const y = resnets(g, config, x, width, config.layers_per_block);
        return last ? y : g.scope("downsamplers.0", () => downsample(g, y));
      });
    }
    x = g.scope("mid_block", () => midBlock(g, config, x));
    return head(g, config, x, 2 * config.latent_channels);
  });
  g.output("moments", config.use_quant_conv ? conv1x1(g, "quant_conv", moments, 2 * config.latent_channels) : moments);
  return g.finish();
}

function midBlock(g: GraphBuilder, config: VaeConfig, x: Value): Value {
  const width = x.shape[1] ?? 0;
  let y = g.scope("resnets.0", () => resnet(g, config, x, width));
  if (config.mid_block_add_attention) {
    const before = y;
    y = g.scope("attentions.0", () => attention(g, config, before));
  }
  return g.scope("resnets.1", () => resnet(g, config, y, width));
}

function resnets(g: GraphBuilder, config: VaeConfig, x: Value, width: number, layers: number): Value {
  let y = x;
  for (let index = 0; index < layers; index++) y = g.scope(`resnets.${index}`, () => resnet(g, config, y, width));
  return y;
}

/** x (B, C', H, W) -> (B, outChannels, H, W). He et al. 2016 (arXiv 1603.05027), norm and activation first. */
function resnet(g: GraphBuilder, config: VaeConfig, x: Value, outChannels: number): Value {
  const first = conv2d(g, "conv1", ops.silu(g, norm(g, "norm1", config, x)), outChannels);
  const second = conv2d(g, "conv2", ops.silu(g, norm(g, "norm2", config, first)), outChannels);
  const shortcut = x.shape[1] === outChannels ? x : conv1x1(g, "conv_shortcut", x, outChannels);
  return ops.add(g, shortcut, second);
}

/** One head over all pixels. Older files use the names of diffusers' former AttentionBlock. */
function attention(g: GraphBuilder, config: VaeConfig, x: Value): Value {
  const [batch = 0, width = 0] = x.shape;
  const pixels = ops.reshape(g, norm(g, "group_norm", config, x), [batch, width, -1]);
  const rows = ops.transpose(g, pixels, [0, 2, 1]); // (B, N, C')
  const q = linear(g, "to_q", rows, width, { aliases: ["query"] });
  const k = linear(g, "to_k", rows, width, { aliases: ["key"] });
  const v = linear(g, "to_v", rows, width, { aliases: ["value"] });
  const attended = ops.attention(g, q, k, v, { heads: 1, scale: width ** -0.5 });
  const projected = linear(g, "to_out.0", attended, width, { aliases: ["proj_attn"] });
  return ops.add(g, x, ops.reshape(g, ops.transpose(g, projected, [0, 2, 1]), x.shape));
}

function upsample(g: GraphBuilder, x: Value): Value {
  const [, width = 0, height = 0, rowLength = 0] = x.shape;
  return conv2d(g, "conv", ops.upsampleNearest(g, x, 2 * height, 2 * rowLength), width);
}

/** Padded below and to the right only, as in the reference. */
const downsample = (g: GraphBuilder, x: Value): Value =>
  conv2d(g, "conv", x, x.shape[1] ?? 0, { stride: 2, padding: [0, 0, 1, 1] });

const head = (g: GraphBuilder, config: VaeConfig, x: Value, channels: number): Value =>
  conv2d(g, "conv_out", ops.silu(g, norm(g, "conv_norm_out", config, x)), channels);

const norm = (g: GraphBuilder, name: string, config: VaeConfig, x: Value): Value =>
  groupNorm(g, name, x, config.norm_num_groups, 1e-6);

const conv1x1 = (g: GraphBuilder, name: string, x: Value, channels: number): Value =>
  conv2d(g, name, x, channels, { kernel: 1, padding: 0 });

const sameLength = (...lists: readonly (readonly unknown[])[]): boolean =>
  lists.every((list) => list.length === lists[0]?.length);
