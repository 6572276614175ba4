/**
 * @module models/if-unet-config
 * The `unet/config.json` of the IF repositories. Every key that diffusers writes is known here, with diffusers' default
 * where a file leaves it out; a value that would change the network into one we do not build is refused.
 * Source: UNet2DConditionModel's arguments in diffusers; the four published IF configurations.
 */

import { z } from "zod";

import { readComponentConfig } from "../weights/component-config.ts";
import { activationNames } from "./activation.ts";

const count = z.int().positive();
const activation = z.enum(activationNames);

/** The only value we build, which is also diffusers' default. */
const only = <T extends string | number | boolean | null>(value: T): z.ZodDefault<z.ZodLiteral<T>> =>
  z.literal(value).default(value as z.core.util.NoUndefined<T>);

const downBlockType = z.enum(["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"]);
const upBlockType = z.enum(["ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D"]);

export const ifUnetConfigSchema = z
  .strictObject({
    _class_name: z.literal("UNet2DConditionModel"),

    // images
    sample_size: count,
    in_channels: count.default(4),
    out_channels: count.default(4),
    center_input_sample: only(false),
    conv_in_kernel: only(3),
    conv_out_kernel: only(3),

    // blocks
    block_out_channels: z.tuple([count], count),
    down_block_types: z.array(downBlockType),
    mid_block_type: z.literal("UNetMidBlock2DSimpleCrossAttn"),
    up_block_types: z.array(upBlockType),
    layers_per_block: z.union([count, z.array(count)]).default(2),
    norm_num_groups: count.default(32),
    norm_eps: z.number().positive().default(1e-5),
    act_fn: activation.default("silu"),
    resnet_time_scale_shift: z.enum(["default", "scale_shift"]).default("default"),
    resnet_skip_time_act: z.boolean().default(false),
    resnet_out_scale_factor: z.number().positive().default(1),
    mid_block_scale_factor: z.number().positive().default(1),

    // attention
    attention_head_dim: count.default(8),
    num_attention_heads: only(null),
    cross_attention_dim: count.default(1280),
    cross_attention_norm: z.enum(["group_norm"]).nullable().default(null),
    only_cross_attention: z.boolean().default(false),
    mid_block_only_cross_attention: z.boolean().nullable().default(null),

    // text
    encoder_hid_dim: count,
    encoder_hid_dim_type: z.literal("text_proj").nullable().default(null), // null means text_proj too
    addition_embed_type: z.literal("text"),
    addition_embed_type_num_heads: count.default(64),

    // time and noise level
    flip_sin_to_cos: z.boolean().default(true),
    freq_shift: z.number().default(0),
    time_embedding_type: only("positional"),
    time_embedding_dim: count.nullable().default(null),
    time_embedding_act_fn: activation.nullable().default(null),
    timestep_post_act: activation.nullable().default(null),
    class_embed_type: z.literal("timestep").nullable().default(null),
    class_embeddings_concat: only(false),

    // other kinds of UNet, which IF is not
    addition_time_embed_dim: only(null),
    attention_type: only("default"),
    num_class_embeds: only(null),
    projection_class_embeddings_input_dim: only(null),
    reverse_transformer_layers_per_block: only(null),
    time_cond_proj_dim: only(null),

    // without effect in these blocks, or when a network is only run
    downsample_padding: z.int().default(1),
    dropout: z.number().default(0),
    dual_cross_attention: z.boolean().default(false),
    transformer_layers_per_block: count.default(1),
    upcast_attention: z.boolean().default(false),
    use_linear_projection: z.boolean().default(false),
  })
  .superRefine(checkFit);

export type IfUnetConfig = z.infer<typeof ifUnetConfigSchema>;

/** @throws {CheckpointError} a key or value is not supported: names it and the file. */
export function readIfUnetConfig(folder: string): Promise<IfUnetConfig> {
  return readComponentConfig(folder, ifUnetConfigSchema);
}

/** diffusers' Attention gives `norm_cross` this many groups, whatever `norm_num_groups` is. */
export const normCrossGroups = 32;

/** Lists have one entry per level, and channels split evenly into heads and groups. */
function checkFit(config: IfUnetConfig, context: z.RefinementCtx): void {
  const refuse = (key: keyof IfUnetConfig, message: string): void =>
    context.addIssue({ code: "custom", path: [key], message });
  const levels = config.block_out_channels.length;
  for (const key of ["down_block_types", "up_block_types", "layers_per_block"] as const) {
    const list = config[key];
    if (typeof list !== "number" && list.length !== levels) {
      refuse(key, `it has ${list.length} entries, block_out_channels has ${levels}`);
    }
  }
  const undivided = (by: number, channels: readonly number[]): number | undefined => channels.find((c) => c % by !== 0);
  const grouped = undivided(config.norm_num_groups, config.block_out_channels);
  if (grouped !== undefined) refuse("norm_num_groups", `it does not divide the ${grouped} of block_out_channels`);
  const headed = undivided(config.attention_head_dim, attendingChannels(config));
  if (headed !== undefined) refuse("attention_head_dim", `it does not divide the ${headed} of block_out_channels`);
  if (config.cross_attention_norm !== null && config.cross_attention_dim % normCrossGroups !== 0) {
    refuse("cross_attention_dim", `it is not a multiple of ${normCrossGroups}`);
  }
  if (config.encoder_hid_dim % config.addition_embed_type_num_heads !== 0) {
    refuse("addition_embed_type_num_heads", `it does not divide encoder_hid_dim (${config.encoder_hid_dim})`);
  }
}

/** The channels of the levels that have attention, the middle included. */
const attendingChannels = ({ block_out_channels: channels, ...config }: IfUnetConfig): number[] =>
  channels.filter(
    (_, level) =>
      config.down_block_types[level] === "SimpleCrossAttnDownBlock2D" ||
      config.up_block_types.at(-1 - level) === "SimpleCrossAttnUpBlock2D" ||
      level === channels.length - 1,
  );
