/**
 * @module models/sd-unet-config
 * The `unet/config.json` of the x4 upscaler: every key that diffusers writes, from 0.8 to 0.40, with diffusers' default
 * where a file leaves it out. A value that would change the network into one we do not build is refused.
 *
 * Source: `UNet2DConditionModel.__init__` in diffusers; the published configuration.
 */

import { z } from "zod";
import { readComponentConfig } from "../weights/component-config.ts";
import { activationNames } from "./activation.ts";

const count = z.int().positive();
const activation = z.enum(activationNames);
const downBlockType = z.enum(["DownBlock2D", "CrossAttnDownBlock2D"]);
const upBlockType = z.enum(["UpBlock2D", "CrossAttnUpBlock2D"]);

/** One value for all levels, or one for each. */
const perLevel = <T extends z.ZodType>(value: T): z.ZodUnion<[T, z.ZodArray<T>]> => z.union([value, z.array(value)]);

/** The only value we build, which is also diffusers' default. */
const only = <T extends string | number | boolean | null>(value: T): z.ZodDefault<z.ZodLiteral<T>> =>
  z.literal(value).default(value as z.core.util.NoUndefined<T>);

export const sdUnetConfigSchema = z
  .strictObject({
    _class_name: z.literal("UNet2DConditionModel").optional(),

    // images
    in_channels: count.default(4),
    out_channels: count.default(4),
    center_input_sample: only(false),
    conv_in_kernel: only(3),
    conv_out_kernel: only(3),

    // blocks
    block_out_channels: z.array(count).min(1).default([320, 640, 1280, 1280]),
    down_block_types: z
      .array(downBlockType)
      .default(["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]),
    mid_block_type: only("UNetMidBlock2DCrossAttn"),
    up_block_types: z
      .array(upBlockType)
      .default(["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]),
    layers_per_block: perLevel(count).default(2),
    norm_num_groups: count.default(32),
    norm_eps: z.number().positive().default(1e-5),
    act_fn: activation.default("silu"),
    downsample_padding: only(1),
    mid_block_scale_factor: only(1),
    resnet_time_scale_shift: only("default"),

    // attention to the text
    cross_attention_dim: count.default(1280),
    /** How many heads, whatever its name says (diffusers issue 2011). */
    attention_head_dim: perLevel(count).default(8),
    only_cross_attention: perLevel(z.boolean()).default(false),
    transformer_layers_per_block: perLevel(count).default(1),
    use_linear_projection: z.boolean().default(false),

    // time and noise level
    flip_sin_to_cos: z.boolean().default(true),
    freq_shift: z.number().default(0),
    time_embedding_type: only("positional"),
    time_embedding_dim: count.nullable().default(null),
    timestep_post_act: activation.nullable().default(null),
    /** Rows of the table of noise levels. */
    num_class_embeds: count,
    class_embed_type: only(null),
    class_embeddings_concat: only(false),

    // other kinds of UNet, which the upscaler's is not
    addition_embed_type: only(null),
    addition_time_embed_dim: only(null),
    attention_type: only("default"),
    cross_attention_norm: only(null),
    dual_cross_attention: only(false),
    encoder_hid_dim: only(null),
    encoder_hid_dim_type: only(null),
    num_attention_heads: only(null),
    projection_class_embeddings_input_dim: only(null),
    resnet_out_scale_factor: only(1),
    resnet_skip_time_act: only(false),
    reverse_transformer_layers_per_block: only(null),
    time_cond_proj_dim: only(null),
    time_embedding_act_fn: only(null),

    // without effect in these blocks, or when a network is only run, or in float32
    addition_embed_type_num_heads: z.int().default(64),
    dropout: z.number().default(0),
    mid_block_only_cross_attention: z.boolean().nullable().default(null),
    sample_size: z
      .union([count, z.array(count)])
      .nullable()
      .default(null),
    upcast_attention: z.boolean().default(false),
  })
  .superRefine(checkLevels);

export type SdUnetConfig = z.infer<typeof sdUnetConfigSchema>;

/**
 * @param folder the component's, e.g. `x4-upscaler/unet`.
 * @throws {CheckpointError} the file is missing, or a key or value is not understood: names key, value and file.
 */
export const readSdUnetConfig = (folder: string): Promise<SdUnetConfig> =>
  readComponentConfig(folder, sdUnetConfigSchema);

const perLevelKeys = [
  "down_block_types",
  "up_block_types",
  "layers_per_block",
  "attention_head_dim",
  "only_cross_attention",
  "transformer_layers_per_block",
] as const;

type Levels = Pick<SdUnetConfig, (typeof perLevelKeys)[number] | "block_out_channels" | "norm_num_groups">;

/** Lists have one entry per level; channels split into heads and groups. */
function checkLevels(config: Levels, context: z.RefinementCtx): void {
  const refuse = (key: keyof Levels, message: string): void =>
    context.addIssue({ code: "custom", path: [key], message });
  for (const key of perLevelKeys) {
    const value = config[key];
    if (Array.isArray(value) && value.length !== config.block_out_channels.length) {
      refuse(key, `${value.length} entries, but block_out_channels has ${config.block_out_channels.length}`);
    }
  }
  config.block_out_channels.forEach((channels, level) => {
    const heads = valueAt(config.attention_head_dim, level);
    if (channels % heads !== 0) refuse("attention_head_dim", `${channels} channels do not split into ${heads} heads`);
    if (channels % config.norm_num_groups !== 0) {
      refuse("norm_num_groups", `${channels} channels do not split into ${config.norm_num_groups} groups`);
    }
  });
}

/** One resolution of the UNet. The way up has the same ones as the way down, in reverse. */
export interface SdUnetLevel {
  readonly channels: number;
  /** Residual layers on the way down; the way up has one more. */
  readonly layers: number;
  readonly heads: number;
  readonly transformerLayers: number;
  /** The first attention of each transformer block looks at the text too, not at the image. */
  readonly onlyCrossAttention: boolean;
}

/** @returns the levels, from the full resolution to the smallest. */
export function sdUnetLevels(config: SdUnetConfig): SdUnetLevel[] {
  return config.block_out_channels.map((channels, level) => ({
    channels,
    layers: valueAt(config.layers_per_block, level),
    heads: valueAt(config.attention_head_dim, level),
    transformerLayers: valueAt(config.transformer_layers_per_block, level),
    onlyCrossAttention: valueAt(config.only_cross_attention, level),
  }));
}

const valueAt = <T extends number | boolean>(value: T | T[], level: number): T =>
  Array.isArray(value) ? (value[level] as T) : value;
