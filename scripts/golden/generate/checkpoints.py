"""Tiny checkpoints in the layout of the hub repositories."""

import json
import math
import os
import re
import shutil

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file
from torch import nn

import texts
from texts import write_json

IF_VERSION = "0.16.0.dev0"
X4_VERSION = "0.8.0.dev0"

# Keys the hub's config.json files of that vintage hold; newer ones are left out on purpose,
# a reader must fall back on the documented defaults.
IF_UNET_KEYS = """act_fn addition_embed_type addition_embed_type_num_heads attention_head_dim block_out_channels
center_input_sample class_embed_type class_embeddings_concat conv_in_kernel conv_out_kernel cross_attention_dim
cross_attention_norm down_block_types downsample_padding dual_cross_attention encoder_hid_dim flip_sin_to_cos freq_shift
in_channels layers_per_block mid_block_only_cross_attention mid_block_scale_factor mid_block_type norm_eps
norm_num_groups num_class_embeds only_cross_attention out_channels projection_class_embeddings_input_dim
resnet_out_scale_factor resnet_skip_time_act resnet_time_scale_shift sample_size time_cond_proj_dim
time_embedding_act_fn time_embedding_dim time_embedding_type timestep_post_act up_block_types upcast_attention
use_linear_projection""".split()
X4_UNET_KEYS = """act_fn attention_head_dim block_out_channels center_input_sample cross_attention_dim down_block_types
downsample_padding dual_cross_attention flip_sin_to_cos freq_shift in_channels layers_per_block mid_block_scale_factor
norm_eps norm_num_groups num_class_embeds only_cross_attention out_channels sample_size up_block_types
use_linear_projection""".split()
X4_VAE_KEYS = """act_fn block_out_channels down_block_types in_channels latent_channels layers_per_block norm_num_groups
out_channels sample_size scaling_factor up_block_types""".split()


def rewrite_config(path, class_name, version, keys):
    with open(path) as f:
        full = json.load(f)
    out = {"_class_name": class_name, "_diffusers_version": version}
    for k in sorted(keys):
        out[k] = full[k]
    with open(path, "w") as f:
        f.write(json.dumps(out, indent=2, sort_keys=True) + "\n")


# ---------------------------------------------------------------- weights


NORMS = ("GroupNorm", "LayerNorm", "T5LayerNorm", "RMSNorm")


def randomise(model, seed, gains=(), scale=1.0):
    """Explicit weights: nothing zero, nothing one, every layer live.

    gains: list of (regex, factor) on the parameter name, all that match multiply.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    owners = {}
    for mod_name, mod in model.named_modules():
        for p_name, _ in mod.named_parameters(recurse=False):
            owners[(mod_name + "." if mod_name else "") + p_name] = (mod, p_name)
    with torch.no_grad():
        for name, p in model.named_parameters():
            mod, short = owners[name]
            kind = type(mod).__name__
            z = torch.from_numpy(rng.standard_normal(tuple(p.shape))).to(torch.float64)
            if kind in NORMS:
                w = 1.0 + 0.25 * z if short == "weight" else 0.2 * z
            elif isinstance(mod, nn.Embedding):
                w = z
            elif short == "bias":
                w = 0.15 * z
            elif p.ndim >= 2 and short == "weight":
                w = scale * z / math.sqrt(p[0].numel())
            else:
                w = 0.6 * z
            for pattern, factor in gains:
                if re.search(pattern, name):
                    w = w * factor
            p.copy_(w.to(p.dtype))
    return model


UNET_GAINS = [
    (r"\.(to_q|to_k|add_k_proj)\.weight$", 1.25),
    (r"add_embedding\.pool\.(q_proj|k_proj)\.weight$", 2.0),
    (r"\.conv2\.weight$", 0.8),
    (r"\.to_out\.0\.weight$", 1.2),
]


def deepen(unet):
    """Let what comes from below outweigh the skip connections, so that a slip in a deep layer still shows."""
    with torch.no_grad():
        below = unet.config.block_out_channels[-1]
        for block in unet.up_blocks:
            for r in block.resnets:
                r.conv1.weight[:, :below] *= 1.25
                r.conv1.weight[:, below:] *= 0.75
                if r.conv_shortcut is not None:
                    r.conv_shortcut.weight[:, :below] *= 1.5
                    r.conv_shortcut.weight[:, below:] *= 0.6
                below = r.conv1.weight.shape[0]
    return unet


def round_weights(profile, model):
    """With half_weights a float16 file holds the very numbers that the reference computes with."""
    if profile.get("half_weights"):
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(p.half().float())
    return model


def save_variant(model, folder, dtype, variant):
    import copy

    m = copy.deepcopy(model).to(dtype)
    m.save_pretrained(folder, variant=variant, safe_serialization=True)


# ---------------------------------------------------------------- text encoder


def build_t5(profile, n_tokens):
    from transformers import T5Config, T5EncoderModel

    c = profile["t5"]
    cfg = T5Config(
        vocab_size=c["vocab_size"],
        d_model=c["d_model"],
        d_kv=c["d_kv"],
        d_ff=c["d_ff"],
        num_layers=c["num_layers"],
        num_heads=c["num_heads"],
        relative_attention_num_buckets=32,
        relative_attention_max_distance=128,
        feed_forward_proj="gated-gelu",
        layer_norm_epsilon=1e-6,
        dropout_rate=0.1,
    )
    assert c["vocab_size"] >= n_tokens, (c["vocab_size"], n_tokens)
    model = T5EncoderModel(cfg).eval()
    k = c["d_kv"]
    randomise(
        model,
        c["seed"],
        gains=[
            (r"SelfAttention\.q\.weight$", 1.3 / math.sqrt(k)),
            (r"relative_attention_bias\.weight$", 0.9),
            (r"SelfAttention\.o\.weight$", 1.5),
            (r"DenseReluDense\.wo\.weight$", 1.5),
        ],
    )
    return round_weights(profile, model)


def t5_config_json(profile, path):
    c = profile["t5"]
    write_json(
        path,
        {
            "_name_or_path": "google/t5-v1_1-xxl",
            "architectures": ["T5EncoderModel"],
            "d_ff": c["d_ff"],
            "d_kv": c["d_kv"],
            "d_model": c["d_model"],
            "decoder_start_token_id": 0,
            "dense_act_fn": "gelu_new",
            "dropout_rate": 0.1,
            "eos_token_id": 1,
            "feed_forward_proj": "gated-gelu",
            "initializer_factor": 1.0,
            "is_encoder_decoder": True,
            "is_gated_act": True,
            "layer_norm_epsilon": 1e-06,
            "model_type": "t5",
            "num_decoder_layers": c["num_layers"],
            "num_heads": c["num_heads"],
            "num_layers": c["num_layers"],
            "output_past": True,
            "pad_token_id": 0,
            "relative_attention_max_distance": 128,
            "relative_attention_num_buckets": 32,
            "tie_word_embeddings": False,
            "torch_dtype": "float32",
            "transformers_version": "4.28.1",
            "use_cache": True,
            "vocab_size": c["vocab_size"],
        },
    )


def save_t5(profile, model, folder, stage):
    """Stage 1: fp32 in one file, fp16 in two shards, LLM.int8.  Stage 2: fp32 in two shards (as the hub has it)."""
    os.makedirs(folder, exist_ok=True)
    total = sum(p.numel() for p in model.parameters())
    import copy

    if stage == 2:
        model.save_pretrained(folder, max_shard_size=total * 4 // 2 + 20000)
    else:
        model.save_pretrained(folder, max_shard_size="5GB")
        copy.deepcopy(model).half().save_pretrained(folder, variant="fp16", max_shard_size=total * 2 // 2 + 10000)
        save_t5_8bit(model, os.path.join(folder, "model.8bit.safetensors"))
    for name in ("model.safetensors.index.fp16.json", "model.safetensors.index.json"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path) as f:
                idx = json.load(f)
            files = sorted(set(idx["weight_map"].values()))
            assert len(files) == 2, files
            write_json(
                path,
                {
                    "metadata": {"total_size": idx["metadata"]["total_size"]},
                    "weight_map": dict(sorted(idx["weight_map"].items())),
                },
            )
    t5_config_json(profile, os.path.join(folder, "config.json"))


def save_t5_8bit(model, path):
    """bitsandbytes LLM.int8 layout: int8 rows with float32 row maxima in SCB; wo stays float32, the rest float16."""
    out = {}
    for name, w in model.state_dict().items():
        if name == "encoder.embed_tokens.weight":
            continue
        half = w.to(torch.float16)
        if re.search(r"SelfAttention\.[qkvo]\.weight$|DenseReluDense\.wi_[01]\.weight$", name):
            full = half.float()
            top = full.abs().amax(dim=1)
            out[name] = torch.clamp(torch.round(full * (127.0 / top)[:, None]), -127, 127).to(torch.int8)
            out[name[: -len("weight")] + "SCB"] = top.to(torch.float32)
        elif name.endswith("DenseReluDense.wo.weight"):
            out[name] = half.float()
        else:
            out[name] = half
    save_file({k: v.contiguous() for k, v in out.items()}, path, metadata={"format": "pt"})


def dequantise_8bit(path):
    raw = load_file(path)
    out = {}
    for name, w in raw.items():
        if name.endswith(".SCB"):
            continue
        if w.dtype == torch.int8:
            out[name] = w.float() * (raw[name[: -len("weight")] + "SCB"] / 127.0)[:, None]
        else:
            out[name] = w.float()
    return out


# ---------------------------------------------------------------- IF UNets


def if_unet(profile, stage):
    from diffusers import UNet2DConditionModel

    c = profile["if_i_unet" if stage == 1 else "if_ii_unet"]
    plain = len(c["block_out_channels"]) - c["attention_blocks"]
    down = ["ResnetDownsampleBlock2D"] * plain + ["SimpleCrossAttnDownBlock2D"] * c["attention_blocks"]
    up = ["SimpleCrossAttnUpBlock2D"] * c["attention_blocks"] + ["ResnetUpsampleBlock2D"] * plain
    kw = dict(
        sample_size=c["sample_size"],
        in_channels=3 if stage == 1 else 6,
        out_channels=6,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        block_out_channels=tuple(c["block_out_channels"]),
        layers_per_block=c["layers_per_block"] if stage == 1 else tuple(c["layers_per_block"]),
        norm_num_groups=c["norm_num_groups"],
        cross_attention_dim=c["cross_attention_dim"],
        attention_head_dim=c["attention_head_dim"],
        encoder_hid_dim=profile["t5"]["d_model"],
        addition_embed_type="text",
        addition_embed_type_num_heads=c["addition_embed_type_num_heads"],
        cross_attention_norm="group_norm",
        resnet_time_scale_shift="scale_shift",
        act_fn="gelu",
        upcast_attention=False,
        use_linear_projection=False,
    )
    if stage == 2:
        kw.update(
            class_embed_type="timestep",
            time_embedding_dim=c["block_out_channels"][-1],
            time_embedding_act_fn="gelu",
            resnet_skip_time_act=True,
            resnet_out_scale_factor=1 / 0.7071,
            mid_block_scale_factor=1 / 0.7071,
            only_cross_attention=True,
        )
    model = UNet2DConditionModel(**kw).eval()
    gains = UNET_GAINS + [(r"^conv_out\.weight$", c["conv_out_gain"])]
    deepen(randomise(model, c["seed"], gains))
    with torch.no_grad():
        # trained variance channels stay within [-1, 1]; far outside, learned_range explodes
        model.conv_out.weight[3:] *= c["variance_gain"]
    return round_weights(profile, model)


def save_unet(model, folder, version, keys):
    model.save_pretrained(folder, safe_serialization=True)
    save_variant(model, folder, torch.float16, "fp16")
    rewrite_config(os.path.join(folder, "config.json"), "UNet2DConditionModel", version, keys)


# ---------------------------------------------------------------- safety, watermark


def build_safety(profile):
    from diffusers.pipelines.deepfloyd_if.safety_checker import IFSafetyChecker
    from transformers import CLIPConfig

    c = profile["safety"]
    cfg = CLIPConfig(
        text_config=dict(
            hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, vocab_size=99,
            bos_token_id=0, eos_token_id=2, projection_dim=c["projection_dim"],
        ),
        vision_config=dict(
            hidden_size=c["hidden_size"],
            intermediate_size=c["intermediate_size"],
            num_hidden_layers=c["num_hidden_layers"],
            num_attention_heads=c["num_attention_heads"],
            image_size=c["image_size"],
            patch_size=c["patch_size"],
            projection_dim=c["projection_dim"],
            hidden_act="quick_gelu",
        ),
        projection_dim=c["projection_dim"],
    )
    model = IFSafetyChecker(cfg).eval()
    randomise(model, c["seed"], gains=[(r"\.(q_proj|k_proj)\.weight$", 1.5), (r"position_embedding\.weight$", 0.5)])
    with torch.no_grad():
        model.p_head.weight *= c.get("p_gain", 1.0)
        model.w_head.weight *= c.get("w_gain", 1.0)
        model.p_head.bias.fill_(c["p_bias"])
        model.w_head.bias.fill_(c["w_bias"])
    return round_weights(profile, model)


def save_safety(profile, model, folder):
    import copy

    os.makedirs(folder, exist_ok=True)
    model.save_pretrained(folder)
    copy.deepcopy(model).half().save_pretrained(folder, variant="fp16")
    for name in ("model.safetensors", "model.fp16.safetensors"):
        path = os.path.join(folder, name)
        sd = load_file(path)
        n = sd["vision_model.vision_model.embeddings.position_embedding.weight"].shape[0]
        # a buffer the 2023 files still carried
        sd["vision_model.vision_model.embeddings.position_ids"] = torch.arange(n).unsqueeze(0)
        save_file({k: v.contiguous() for k, v in sorted(sd.items())}, path, metadata={"format": "pt"})
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        cfg = json.load(f)
    cfg.pop("dtype", None)
    cfg.update({"_commit_hash": None, "torch_dtype": "float32", "transformers_version": None})
    with open(path, "w") as f:
        f.write(json.dumps(cfg, indent=2, sort_keys=True) + "\n")


def save_feature_extractor(profile, folder):
    s = profile["safety"]["image_size"]
    write_json(
        os.path.join(folder, "preprocessor_config.json"),
        {
            "crop_size": {"height": s, "width": s},
            "do_center_crop": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "feature_extractor_type": "CLIPFeatureExtractor",
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_processor_type": "CLIPImageProcessor",
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "resample": 3,
            "rescale_factor": 0.00392156862745098,
            "size": {"shortest_edge": s},
        },
    )


def draw_watermark(profile):
    c = profile["watermark"]
    img = Image.new("RGBA", (62, 62), (0, 0, 0, 0))
    d = ImageDraw.Draw(img)
    d.ellipse([3, 3, 58, 58], fill=tuple(c["disc"]))
    d.rectangle([12, 20, 30, 48], fill=tuple(c["box"]))
    d.polygon([(34, 50), (56, 44), (46, 12)], fill=tuple(c["triangle"]))
    a = np.array(img)
    ramp = np.linspace(40, 255, 62).astype(np.uint8)
    a[:, :, 3] = np.where(a[:, :, 3] > 0, np.minimum(a[:, :, 3], ramp[None, :]), 0)
    a[0:6, :, :] = np.array(c["band"], dtype=np.uint8)
    a[0:6, ::3, 3] = 17
    return a


def save_watermarker(profile, folder):
    from diffusers.pipelines.deepfloyd_if import IFWatermarker

    w = IFWatermarker()
    w.watermark_image.copy_(torch.from_numpy(draw_watermark(profile).astype(np.float32)))
    w.save_pretrained(folder, safe_serialization=True)
    write_json(
        os.path.join(folder, "config.json"), {"_class_name": "IFWatermarker", "_diffusers_version": IF_VERSION}
    )


def if_scheduler(sample_max_value, ratio):
    return {
        "_class_name": "DDPMScheduler",
        "_diffusers_version": IF_VERSION,
        "beta_end": 0.02,
        "beta_schedule": "squaredcos_cap_v2",
        "beta_start": 0.0001,
        "clip_sample": True,
        "clip_sample_range": 1.0,
        "dynamic_thresholding_ratio": ratio,
        "lambda_min_clipped": -5.1,
        "num_train_timesteps": 1000,
        "prediction_type": "epsilon",
        "sample_max_value": sample_max_value,
        "thresholding": True,
        "trained_betas": None,
        "variance_type": "learned_range",
    }


NOISING = {
    "_class_name": "DDPMScheduler",
    "_diffusers_version": IF_VERSION,
    "beta_end": 0.02,
    "beta_schedule": "squaredcos_cap_v2",
    "beta_start": 0.0001,
    "clip_sample": True,
    "clip_sample_range": 1.0,
    "dynamic_thresholding_ratio": 0.995,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "thresholding": False,
    "trained_betas": None,
    "variance_type": "fixed_small",
}


def model_index(class_name, version, parts, **extra):
    return {"_class_name": class_name, "_diffusers_version": version, **{k: parts[k] for k in sorted(parts)}, **extra}


IF_PARTS = {
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "safety_checker": ["deepfloyd_if", "IFSafetyChecker"],
    "scheduler": ["diffusers", "DDPMScheduler"],
    "text_encoder": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "T5Tokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "watermarker": ["deepfloyd_if", "IFWatermarker"],
}


def save_if(profile, root, stage, t5, tok_dir, safety):
    os.makedirs(root, exist_ok=True)
    if os.path.abspath(tok_dir) != os.path.abspath(os.path.join(root, "tokenizer")):
        shutil.copytree(tok_dir, os.path.join(root, "tokenizer"))
    save_t5(profile, t5, os.path.join(root, "text_encoder"), stage)
    save_unet(if_unet(profile, stage), os.path.join(root, "unet"), IF_VERSION, IF_UNET_KEYS)
    write_json(
        os.path.join(root, "scheduler", "scheduler_config.json"),
        if_scheduler(profile[f"stage{stage}_sample_max_value"], profile["dynamic_thresholding_ratio"]),
    )
    parts = dict(IF_PARTS)
    if stage == 2:
        write_json(os.path.join(root, "image_noising_scheduler", "scheduler_config.json"), NOISING)
        parts["image_noising_scheduler"] = ["diffusers", "DDPMScheduler"]
    save_safety(profile, safety, os.path.join(root, "safety_checker"))
    save_feature_extractor(profile, os.path.join(root, "feature_extractor"))
    save_watermarker(profile, os.path.join(root, "watermarker"))
    name = "IFPipeline" if stage == 1 else "IFSuperResolutionPipeline"
    write_json(
        os.path.join(root, "model_index.json"), model_index(name, IF_VERSION, parts, requires_safety_checker=True)
    )


# ---------------------------------------------------------------- x4 upscaler


def save_x4(profile, root, vocab):
    import copy

    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    c = profile["x4_text"]
    cfg = CLIPTextConfig(
        vocab_size=vocab,
        hidden_size=c["hidden_size"],
        intermediate_size=c["intermediate_size"],
        num_hidden_layers=c["num_hidden_layers"],
        num_attention_heads=c["num_attention_heads"],
        max_position_embeddings=77,
        hidden_act="gelu",
        projection_dim=512,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )
    text = CLIPTextModel(cfg).eval()
    randomise(text, c["seed"], gains=[(r"\.(q_proj|k_proj)\.weight$", 1.5), (r"position_embedding\.weight$", 0.6)])
    round_weights(profile, text)
    folder = os.path.join(root, "text_encoder")
    os.makedirs(folder, exist_ok=True)
    for name, dtype in (("model.safetensors", torch.float32), ("model.fp16.safetensors", torch.float16)):
        sd = {}
        for k, v in text.state_dict().items():
            k = k if k.startswith("text_model.") else "text_model." + k
            sd[k] = v.to(dtype).contiguous()
        sd["text_model.embeddings.position_ids"] = torch.arange(77).unsqueeze(0)
        save_file(dict(sorted(sd.items())), os.path.join(folder, name), metadata={"format": "pt"})
    write_json(
        os.path.join(folder, "config.json"),
        {
            "architectures": ["CLIPTextModel"],
            "attention_dropout": 0.0,
            "bos_token_id": 0,
            "dropout": 0.0,
            "eos_token_id": 2,
            "hidden_act": "gelu",
            "hidden_size": c["hidden_size"],
            "initializer_factor": 1.0,
            "initializer_range": 0.02,
            "intermediate_size": c["intermediate_size"],
            "layer_norm_eps": 1e-05,
            "max_position_embeddings": 77,
            "model_type": "clip_text_model",
            "num_attention_heads": c["num_attention_heads"],
            "num_hidden_layers": c["num_hidden_layers"],
            "pad_token_id": 1,
            "projection_dim": 512,
            "torch_dtype": "float32",
            "transformers_version": "4.25.0.dev0",
            "vocab_size": vocab,
        },
    )

    u = profile["x4_unet"]
    unet = UNet2DConditionModel(
        sample_size=u["sample_size"],
        in_channels=7,
        out_channels=4,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 3,
        up_block_types=("CrossAttnUpBlock2D",) * 3 + ("UpBlock2D",),
        block_out_channels=tuple(u["block_out_channels"]),
        layers_per_block=u["layers_per_block"],
        norm_num_groups=u["norm_num_groups"],
        cross_attention_dim=c["hidden_size"],
        attention_head_dim=u["attention_head_dim"],
        only_cross_attention=u["only_cross_attention"],
        use_linear_projection=True,
        num_class_embeds=1000,
        act_fn="silu",
    ).eval()
    gains = UNET_GAINS + [
        (r"^conv_out\.weight$", u["conv_out_gain"]),
        (r"class_embedding\.weight$", 0.7),
        (r"ff\.net\.2\.weight$", 1.3),
    ]
    round_weights(profile, deepen(randomise(unet, u["seed"], gains)))
    save_unet(unet, os.path.join(root, "unet"), X4_VERSION, X4_UNET_KEYS)

    v = profile["x4_vae"]
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=tuple(v["block_out_channels"]),
        layers_per_block=v["layers_per_block"],
        latent_channels=4,
        norm_num_groups=v["norm_num_groups"],
        sample_size=v["sample_size"],
        scaling_factor=0.08333,
    ).eval()
    randomise(
        vae,
        v["seed"],
        [
            (r"\.(to_q|to_k)\.weight$", 1.5),
            (r"decoder\.conv_out\.weight$", v["decoder_out_gain"]),
            (r"\.conv2\.weight$", 0.8),
        ],
    )
    round_weights(profile, vae)
    folder = os.path.join(root, "vae")
    vae.save_pretrained(folder, safe_serialization=True)
    save_variant(vae, folder, torch.float16, "fp16")
    rewrite_config(os.path.join(folder, "config.json"), "AutoencoderKL", X4_VERSION, X4_VAE_KEYS)

    write_json(
        os.path.join(root, "scheduler", "scheduler_config.json"),
        {
            "_class_name": "DDIMScheduler",
            "_diffusers_version": X4_VERSION,
            "beta_end": 0.02,
            "beta_schedule": "scaled_linear",
            "beta_start": 0.0001,
            "clip_sample": False,
            "num_train_timesteps": 1000,
            "prediction_type": "v_prediction",
            "set_alpha_to_one": False,
            "skip_prk_steps": True,
            "steps_offset": 1,
            "trained_betas": None,
        },
    )
    write_json(
        os.path.join(root, "low_res_scheduler", "scheduler_config.json"),
        {
            "_class_name": "DDPMScheduler",
            "_diffusers_version": X4_VERSION,
            "beta_end": 0.02,
            "beta_schedule": "scaled_linear",
            "beta_start": 0.0001,
            "clip_sample": True,
            "num_train_timesteps": 1000,
            "prediction_type": "epsilon",
            "trained_betas": None,
            "variance_type": "fixed_small",
        },
    )
    write_json(
        os.path.join(root, "model_index.json"),
        model_index(
            "StableDiffusionUpscalePipeline",
            X4_VERSION,
            {
                "low_res_scheduler": ["diffusers", "DDPMScheduler"],
                "scheduler": ["diffusers", "DDIMScheduler"],
                "text_encoder": ["transformers", "CLIPTextModel"],
                "tokenizer": ["transformers", "CLIPTokenizer"],
                "unet": ["diffusers", "UNet2DConditionModel"],
                "vae": ["diffusers", "AutoencoderKL"],
            },
            max_noise_level=350,
        ),
    )


def build_all(profile, ck):
    if os.path.isdir(ck):
        shutil.rmtree(ck)
    tok = os.path.join(ck, "if-i", "tokenizer")
    pieces = texts.train_t5(profile, tok)
    t5 = build_t5(profile, pieces + 100)
    safety = build_safety(profile)
    save_if(profile, os.path.join(ck, "if-i"), 1, t5, tok, safety)
    save_if(profile, os.path.join(ck, "if-ii"), 2, t5, tok, safety)
    x4 = os.path.join(ck, "x4-upscaler")
    vocab = texts.train_clip(profile, os.path.join(x4, "tokenizer"))
    save_x4(profile, x4, vocab)
    print("checkpoints: t5 pieces", pieces, "clip vocab", vocab)


# ---------------------------------------------------------------- loading


class Loaded:
    """Every network, read back from disk through from_pretrained."""

    def __init__(self, ck):
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from diffusers.pipelines.deepfloyd_if import IFWatermarker
        from diffusers.pipelines.deepfloyd_if.safety_checker import IFSafetyChecker
        from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5Tokenizer

        if not hasattr(IFSafetyChecker, "all_tied_weights_keys"):
            IFSafetyChecker.all_tied_weights_keys = {}  # it never calls post_init, which transformers 5 wants
        self.ck = ck
        i, ii, x4 = (os.path.join(ck, n) for n in ("if-i", "if-ii", "x4-upscaler"))
        self.t5_tok = T5Tokenizer.from_pretrained(os.path.join(i, "tokenizer"))
        self.t5 = T5EncoderModel.from_pretrained(os.path.join(i, "text_encoder")).eval()
        self.unet1 = UNet2DConditionModel.from_pretrained(os.path.join(i, "unet")).eval()
        self.unet2 = UNet2DConditionModel.from_pretrained(os.path.join(ii, "unet")).eval()
        self.safety = IFSafetyChecker.from_pretrained(os.path.join(i, "safety_checker")).eval()
        self.features = feature_extractor(os.path.join(i, "feature_extractor"))
        self.watermark_dir = os.path.join(i, "watermarker")
        self.clip_tok = CLIPTokenizer.from_pretrained(os.path.join(x4, "tokenizer"))
        self.clip = CLIPTextModel.from_pretrained(os.path.join(x4, "text_encoder")).eval()
        self.unet3 = UNet2DConditionModel.from_pretrained(os.path.join(x4, "unet")).eval()
        self.vae = AutoencoderKL.from_pretrained(os.path.join(x4, "vae")).eval()
        for m in (self.t5, self.unet1, self.unet2, self.safety, self.clip, self.unet3, self.vae):
            assert next(m.parameters()).dtype == torch.float32
            m.requires_grad_(False)

    def watermarker(self):
        from diffusers.pipelines.deepfloyd_if import IFWatermarker

        return IFWatermarker.from_pretrained(self.watermark_dir)

    def scheduler(self, repo, sub="scheduler"):
        import diffusers

        folder = os.path.join(self.ck, repo, sub)
        with open(os.path.join(folder, "scheduler_config.json")) as f:
            cls = json.load(f)["_class_name"]
        return getattr(diffusers, cls).from_pretrained(folder)


def feature_extractor(folder):
    try:
        from transformers import CLIPImageProcessorPil as Proc  # transformers 5
    except ImportError:
        from transformers import CLIPImageProcessor as Proc
    return Proc.from_pretrained(folder)
