"""Makes the golden of what IF's UNet can be told but the published ones are not: test/golden/if-unet-variant.

    python scripts/golden/make-if-variants.py test/golden

A tiny UNet with random weights, float16 in the file, run by diffusers in float32: added time instead of scale and shift,
SiLU, no norm of the text, sines before cosines, frequency shift 1, an activation after the time embedding, a middle that
sees only the text while the rest sees pixels too, one number of layers for all levels. Needs torch and diffusers.
"""

import json
import os
import sys

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

CONFIG = dict(
    sample_size=8,
    in_channels=3,
    out_channels=6,
    act_fn="silu",
    addition_embed_type="text",
    addition_embed_type_num_heads=2,
    attention_head_dim=4,
    block_out_channels=[4, 8],
    class_embed_type="timestep",
    cross_attention_dim=12,
    cross_attention_norm=None,
    down_block_types=["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"],
    encoder_hid_dim=16,
    encoder_hid_dim_type="text_proj",
    flip_sin_to_cos=False,
    freq_shift=1,
    layers_per_block=1,
    mid_block_only_cross_attention=True,
    mid_block_scale_factor=1.25,
    mid_block_type="UNetMidBlock2DSimpleCrossAttn",
    norm_eps=1e-3,
    norm_num_groups=2,
    resnet_out_scale_factor=1.5,
    resnet_time_scale_shift="default",
    timestep_post_act="silu",
    up_block_types=["SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"],
)


def main(target):
    generator = torch.Generator().manual_seed(0)
    unet = UNet2DConditionModel(**CONFIG).eval()
    for parameter in unet.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.3
        mean = 1.0 if parameter.ndim == 1 else 0.0
        parameter.data = (mean + scale * noise).half().float()
    inputs = {
        "sample": torch.randn(2, 3, 8, 12, generator=generator),
        "timestep": torch.tensor([999, 37]),
        "encoder_hidden_states": torch.randn(2, 5, 16, generator=generator),
        "class_labels": torch.tensor([250, 0]),
    }
    with torch.no_grad():
        output = unet(**inputs).sample
    folder = os.path.join(target, "if-unet-variant")
    os.makedirs(folder, exist_ok=True)
    weights = {name: tensor.half().contiguous() for name, tensor in unet.state_dict().items()}
    save_file(weights, os.path.join(folder, "diffusion_pytorch_model.fp16.safetensors"))
    case = {f"case0.in.{name}": tensor for name, tensor in inputs.items()} | {"case0.out.output": output}
    save_file(case, os.path.join(folder, "case.safetensors"))
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump({"_class_name": "UNet2DConditionModel", **CONFIG}, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
