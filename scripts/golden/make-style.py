"""Prints the numbers of test/pipelines/style.test.ts: a style in place of the prompt in the time embedding.

    pip download --no-deps deepfloyd_if==1.0.1 && unzip deepfloyd_if-1.0.1-py3-none-any.whl -d ORIGINAL
    python scripts/golden/make-style.py ORIGINAL test/golden

`stage_1`: the original's own loop, `IFBaseModule.embeddings_to_image` with `support_noise`, around diffusers' UNet of the tiny
checkpoint: a hook hands `timestep_text_emb` to its `add_embedding`, the layer that pools the text. `stage_2`: diffusers'
IFImg2ImgSuperResolutionPipeline with the same hook; the original's own loop draws the noise on its low-resolution picture
anew in each step, which diffusers and this program do once. Texts are noise from seed 5, pictures from seed 6; the noise of
the runs is from seed 7, of one picture: the original draws it for each text of the guidance and reads one.
"""

import importlib.util
import json
import os
import sys
from types import SimpleNamespace
from unittest.mock import patch

import torch
from diffusers import DDPMScheduler, IFImg2ImgSuperResolutionPipeline, UNet2DConditionModel

RESPACING, LESS, GUIDANCE, MIXER = "4,3,2,1,0", 3, 5.0, 0.25


def load_base(folder):
    spec = importlib.util.spec_from_file_location("steering", os.path.join(os.path.dirname(__file__), "make-steering.py"))
    steering = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(steering)
    return steering.load_base(folder)


def load_unet(target, stage):
    return UNet2DConditionModel.from_pretrained(os.path.join(target, "checkpoints", stage, "unet"), variant="fp16").float().eval()


def styled(unet, style):
    """While it is open, `unet` pools `style` into its time embedding."""
    handle = unet.add_embedding.register_forward_pre_hook(lambda _module, _args: (style,))
    return SimpleNamespace(close=handle.remove)


class Network:
    """diffusers' UNet, called as the original's."""

    dtype = torch.float32

    def __init__(self, unet):
        self.unet = unet

    def __call__(self, x, timesteps, text_emb, timestep_text_emb=None, **_):
        hook = styled(self.unet, timestep_text_emb if timestep_text_emb is not None else text_emb)
        try:
            return self.unet(x, timesteps, encoder_hidden_states=text_emb).sample
        finally:
            hook.close()


def draw_stage_1(base, unet, texts, picture, less):
    generator = torch.Generator().manual_seed(7)
    _, _, height, width = picture.shape

    def randn_like(x):
        return torch.randn(1, *x.shape[1:], generator=generator).expand(x.shape)

    fake = SimpleNamespace(
        model=Network(unet), device=torch.device("cpu"), device_name="cpu", stage="I",
        get_diffusion=lambda respacing: base.get_diffusion(SimpleNamespace(respacing_modes=base.respacing_modes), respacing),
        seed_everything=base.seed_everything, _clear_cache=lambda: None, _get_image_sizes=lambda *_: (width, height),
        _IFBaseModule__validate_generations=lambda sample: sample,
    )
    with patch("torch.randn_like", randn_like):
        sample, _ = base.embeddings_to_image(
            fake, texts["prompt"], style_t5_embs=texts["style"], positive_t5_embs=texts["positive"],
            negative_t5_embs=texts["negative"], sample_timestep_respacing=RESPACING, seed=0, guidance_scale=GUIDANCE,
            positive_mixer=MIXER, progress=False, dynamic_thresholding_p=0.95, dynamic_thresholding_c=1.5,
            support_noise=picture, support_noise_less_qsample_steps=less,
        )
    return sample


def draw_stage_2(target, texts, low, picture):
    folder = os.path.join(target, "checkpoints", "if-ii")
    unet = load_unet(target, "if-ii")
    load = lambda name: DDPMScheduler.from_pretrained(os.path.join(folder, name))
    pipeline = IFImg2ImgSuperResolutionPipeline(
        tokenizer=None, text_encoder=None, unet=unet, scheduler=load("scheduler"),
        image_noising_scheduler=load("image_noising_scheduler"), safety_checker=None, feature_extractor=None,
        watermarker=None, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    hook = styled(unet, torch.cat([texts["negative"], texts["style"]]))
    drawn = pipeline(low, original_image=picture, strength=1.0, num_inference_steps=4, guidance_scale=4.0, noise_level=250,
                     prompt_embeds=texts["prompt"], negative_prompt_embeds=texts["negative"],
                     generator=torch.Generator().manual_seed(7), output_type="pt").images
    hook.close()
    return drawn


def short(sample):
    """Its sum, its sum of squares, and every so many of its numbers."""
    flat = sample.double().flatten()
    picked = flat[:: len(flat) // 8][:8]
    return [float(f"{value:.7g}") for value in [flat.sum(), (flat * flat).sum(), *picked]]


@torch.no_grad()
def main(original, target):
    base = load_base(original)
    generator = torch.Generator().manual_seed(5)
    rows = torch.randn(4, 77, 16, generator=generator)
    texts = {name: rows[i : i + 1] for i, name in enumerate(("negative", "positive", "prompt", "style"))}
    generator = torch.Generator().manual_seed(6)
    picture, low, large = (torch.randn(1, 3, side, side, generator=generator).clamp(-1, 1) for side in (24, 24, 32))
    unet = load_unet(target, "if-i")
    stage_1 = draw_stage_1(base, unet, texts, picture, LESS)
    as_prompt = draw_stage_1(base, unet, {**texts, "style": texts["prompt"]}, picture, LESS)
    stage_2 = draw_stage_2(target, texts, low, large)
    plain_2 = draw_stage_2(target, {**texts, "style": texts["prompt"]}, low, large)
    print("what the style changes:", (stage_1 - as_prompt).abs().max().item(), (stage_2 - plain_2).abs().max().item())
    print(json.dumps({"stage_1": short(stage_1), "stage_2": short(stage_2)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
