"""The networks' configurations, in the keys of the original repositories' config.json files, and how to build them."""
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from diffusers.models import upsampling
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from tokenizers_build import T5_VOCABULARY

upsampling.is_torch_version = lambda *_: False  # its question stops the compiler

TEXT_LENGTH = 77
TEXT_WIDTH = 128

T5 = {
    "d_ff": 512, "d_kv": 32, "d_model": TEXT_WIDTH, "decoder_start_token_id": 0, "dense_act_fn": "gelu_new",
    "dropout_rate": 0.0, "eos_token_id": 1, "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0,
    "is_encoder_decoder": True, "is_gated_act": True, "layer_norm_epsilon": 1e-6, "num_decoder_layers": 4,
    "num_heads": 4, "num_layers": 4, "output_past": True, "pad_token_id": 0, "relative_attention_max_distance": 24,
    "relative_attention_num_buckets": 32, "tie_word_embeddings": False, "use_cache": True, "vocab_size": T5_VOCABULARY,
}

IF_UNET = {
    "act_fn": "gelu", "addition_embed_type": "text", "addition_embed_type_num_heads": 4, "attention_head_dim": 32,
    "center_input_sample": False, "class_embeddings_concat": False, "conv_in_kernel": 3, "conv_out_kernel": 3,
    "cross_attention_norm": "group_norm", "downsample_padding": 1, "dual_cross_attention": False,
    "encoder_hid_dim": TEXT_WIDTH, "encoder_hid_dim_type": "text_proj", "flip_sin_to_cos": True, "freq_shift": 0,
    "mid_block_only_cross_attention": None, "mid_block_type": "UNetMidBlock2DSimpleCrossAttn", "norm_eps": 1e-5,
    "num_class_embeds": None, "out_channels": 6, "projection_class_embeddings_input_dim": None,
    "resnet_time_scale_shift": "scale_shift", "time_cond_proj_dim": None, "time_embedding_type": "positional",
    "timestep_post_act": None, "upcast_attention": False, "use_linear_projection": False,
}

STAGE_1 = {
    **IF_UNET, "act_fn": "silu", "block_out_channels": [32, 64, 128, 256], "class_embed_type": None,
    "cross_attention_dim": 128,
    "down_block_types": ["ResnetDownsampleBlock2D"] * 2 + ["SimpleCrossAttnDownBlock2D"] * 2, "in_channels": 3,
    "layers_per_block": 1, "mid_block_scale_factor": 1, "norm_num_groups": 8, "only_cross_attention": True,
    "resnet_out_scale_factor": 1.0, "resnet_skip_time_act": False, "sample_size": 64, "time_embedding_act_fn": None,
    "time_embedding_dim": 512, "up_block_types": ["SimpleCrossAttnUpBlock2D"] * 2 + ["ResnetUpsampleBlock2D"] * 2,
}

STAGE_2 = {
    **IF_UNET, "act_fn": "silu", "block_out_channels": [32, 32, 48, 64, 48], "class_embed_type": "timestep",
    "attention_head_dim": 16, "cross_attention_dim": 64,
    "down_block_types": ["ResnetDownsampleBlock2D"] * 3 + ["SimpleCrossAttnDownBlock2D"] * 2, "in_channels": 6,
    "layers_per_block": 1, "mid_block_scale_factor": 1.4142271248762552, "norm_num_groups": 8,
    "only_cross_attention": True, "resnet_out_scale_factor": 1.4142271248762552, "resnet_skip_time_act": True,
    "sample_size": 256, "time_embedding_act_fn": "gelu", "time_embedding_dim": 96,
    "up_block_types": ["SimpleCrossAttnUpBlock2D"] * 2 + ["ResnetUpsampleBlock2D"] * 3,
}

UPSCALER = {
    "act_fn": "silu", "attention_head_dim": 4, "block_out_channels": [32, 32, 32, 48], "center_input_sample": False,
    "cross_attention_dim": 32, "down_block_types": ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 3,
    "downsample_padding": 1, "dual_cross_attention": False, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 7,
    "layers_per_block": 1, "mid_block_scale_factor": 1, "norm_eps": 1e-5, "norm_num_groups": 8,
    "num_class_embeds": 1000, "only_cross_attention": [True, True, True, False], "out_channels": 4, "sample_size": 256,
    "up_block_types": ["CrossAttnUpBlock2D"] * 3 + ["UpBlock2D"], "use_linear_projection": True,
}

AUTOENCODER = {
    "act_fn": "silu", "block_out_channels": [16, 32, 64], "down_block_types": ["DownEncoderBlock2D"] * 3,
    "in_channels": 3, "latent_channels": 4, "layers_per_block": 1, "mid_block_add_attention": False,
    "norm_num_groups": 8, "out_channels": 3, "sample_size": 1024, "up_block_types": ["UpDecoderBlock2D"] * 3,
}

CLIP = {
    "attention_dropout": 0.0, "bos_token_id": 0, "eos_token_id": 2, "hidden_act": "gelu", "hidden_size": 32,
    "intermediate_size": 64, "layer_norm_eps": 1e-5, "max_position_embeddings": TEXT_LENGTH, "num_attention_heads": 4,
    "num_hidden_layers": 2, "pad_token_id": 1, "projection_dim": 512,
}

IF_SCHEDULER = {
    "beta_end": 0.02, "beta_schedule": "squaredcos_cap_v2", "beta_start": 0.0001, "clip_sample": True,
    "clip_sample_range": 1.0, "dynamic_thresholding_ratio": 0.95, "lambda_min_clipped": -5.1,
    "num_train_timesteps": 1000, "prediction_type": "epsilon", "thresholding": True, "trained_betas": None,
    "variance_type": "learned_range",
}
STAGE_1_SCHEDULER = {**IF_SCHEDULER, "sample_max_value": 1.5}
STAGE_2_SCHEDULER = {**IF_SCHEDULER, "sample_max_value": 1.0}
NOISING_SCHEDULER = {
    **{k: v for k, v in IF_SCHEDULER.items() if k != "lambda_min_clipped"}, "dynamic_thresholding_ratio": 0.995,
    "sample_max_value": 1.0, "thresholding": False, "variance_type": "fixed_small",
}
UPSCALER_BETAS = {
    "beta_end": 0.02, "beta_schedule": "scaled_linear", "beta_start": 0.0001, "num_train_timesteps": 1000,
    "trained_betas": None,
}
LOW_RES_SCHEDULER = {
    **UPSCALER_BETAS, "clip_sample": True, "prediction_type": "epsilon", "variance_type": "fixed_small",
}
UPSCALER_SCHEDULER = {
    **UPSCALER_BETAS, "clip_sample": False, "prediction_type": "v_prediction", "set_alpha_to_one": False,
    "skip_prk_steps": True, "steps_offset": 1,
}


def text_encoder():
    return T5EncoderModel(T5Config(**T5))


def clip(vocabulary: int):
    return CLIPTextModel(CLIPTextConfig(**CLIP, vocab_size=vocabulary))


def unet(config: dict):
    return UNet2DConditionModel(**config)


# Channels of conv_in, of the outermost skip and of conv_out that carry the noisy picture: (channel, sign, colour).
CARRIED = ((0, 1, 0), (1, -1, 0), (2, 1, 1), (3, -1, 1), (4, 1, 2), (5, -1, 2), (6, 1, 2), (7, -1, 2))


@torch.no_grad()
def pass_noise_through(model):
    """Sets a new UNet's weights so that its noise guess is the noisy picture itself, with standard deviation 1.

    That is nearly right for a very noisy picture, and hard to learn as exactly as is needed: the little that differs holds
    the picture.  Eight channels of conv_in carry the picture and its negative by the outermost skip to the last
    normalisation and conv_out; for silu and gelu alike, f(x) - f(-x) = x.  Groups of a picture and its negative have mean
    0, so normalisation only scales, and it scales rightly: noise has standard deviation 1.
    """
    assert model.conv_in.out_channels // model.conv_norm_out.num_groups == 4
    last = model.up_blocks[-1].resnets[-1]
    inside = last.conv_shortcut.in_channels - model.conv_in.out_channels  # the skip comes after the block's own channels
    model.conv_out.weight.zero_()
    model.conv_out.bias.zero_()
    for channel, sign, colour in CARRIED:
        model.conv_in.weight[channel] = model.conv_in.bias[channel] = 0
        model.conv_in.weight[channel, colour, 1, 1] = sign
        last.conv_shortcut.weight[channel] = last.conv_shortcut.bias[channel] = 0
        last.conv_shortcut.weight[channel, inside + channel] = 1
        last.conv2.weight[channel] = last.conv2.bias[channel] = 0
        model.conv_out.weight[colour, channel, 1, 1] = sign * (0.5 if colour == 2 else 1.0)
    return model


def autoencoder(scaling_factor: float = 1.0):
    return AutoencoderKL(**AUTOENCODER, scaling_factor=scaling_factor)


def ddpm(config: dict):
    return DDPMScheduler.from_config(dict(config))


def ddim(config: dict):
    return DDIMScheduler.from_config(dict(config))
