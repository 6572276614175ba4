"""Prints the numbers of test/run/prompt-lists.test.ts and stage-sizes.test.ts: several prompts that share one generator, as
diffusers draws a list; and stages that are told their own height and width.

    python scripts/golden/make-list.py test/golden

IFPipeline, IFSuperResolutionPipeline and StableDiffusionUpscalePipeline one after the other, of the tiny checkpoints, with one
generator: each draws the noise of all images at once. Needs torch, diffusers, transformers, sentencepiece.
"""

import json
import os
import sys

import torch
from diffusers import (AutoencoderKL, DDIMScheduler, DDPMScheduler, IFPipeline, IFSuperResolutionPipeline,
                       StableDiffusionUpscalePipeline, UNet2DConditionModel)
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5Tokenizer

PROMPTS, NEGATIVES, EACH, SEED = ["a cat", "a blue dog"], ["red", ""], 2, 3
NO_CHECKER = dict(safety_checker=None, feature_extractor=None, watermarker=None, requires_safety_checker=False)


def main(target):
    def path(*names):
        return os.path.join(target, "checkpoints", *names)

    def network(kind, *names):
        stored = any(name.endswith("fp16.safetensors") or ".fp16-" in name for name in os.listdir(path(*names)))
        return kind.from_pretrained(path(*names), **({"variant": "fp16"} if stored else {})).float().eval()

    def scheduler(stage, name="scheduler", kind=DDPMScheduler):
        return kind.from_pretrained(path(stage, name))

    encoder = dict(tokenizer=T5Tokenizer.from_pretrained(path("if-i", "tokenizer")),
                   text_encoder=network(T5EncoderModel, "if-i", "text_encoder"))
    first = IFPipeline(**encoder, unet=network(UNet2DConditionModel, "if-i", "unet"), scheduler=scheduler("if-i"), **NO_CHECKER)
    second = IFSuperResolutionPipeline(
        **encoder, unet=network(UNet2DConditionModel, "if-ii", "unet"), scheduler=scheduler("if-ii"),
        image_noising_scheduler=scheduler("if-ii", "image_noising_scheduler"), **NO_CHECKER)
    third = StableDiffusionUpscalePipeline(
        vae=network(AutoencoderKL, "x4-upscaler", "vae"), text_encoder=network(CLIPTextModel, "x4-upscaler", "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(path("x4-upscaler", "tokenizer")),
        unet=network(UNet2DConditionModel, "x4-upscaler", "unet"),
        low_res_scheduler=scheduler("x4-upscaler", "low_res_scheduler"),
        scheduler=scheduler("x4-upscaler", kind=DDIMScheduler))
    for pipeline in (first, second, third):
        pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(SEED)
    common = dict(num_inference_steps=3, generator=generator, output_type="pt")
    each = [text for text in PROMPTS for _ in range(EACH)]
    negatives = [text for text in NEGATIVES for _ in range(EACH)]
    drawn = first(PROMPTS, negative_prompt=NEGATIVES, num_images_per_prompt=EACH, guidance_scale=7.0, **common).images
    larger = second(each, image=drawn, negative_prompt=negatives, guidance_scale=4.0, noise_level=250, **common).images
    large = third(each, image=larger, negative_prompt=negatives, guidance_scale=9.0, noise_level=20, **common).images
    sizes = dict(num_inference_steps=3, generator=torch.Generator().manual_seed(SEED), output_type="pt")
    wide = first("a cat", width=40, height=16, guidance_scale=7.0, **sizes).images
    tall = second("a cat", image=wide, width=32, height=48, guidance_scale=4.0, noise_level=250, **sizes).images
    for name, images in {"stage-1": drawn / 2 + 0.5, "stage-2": larger / 2 + 0.5, "stage-3": large,
                         "wide": wide / 2 + 0.5, "tall": tall / 2 + 0.5}.items():
        levels = (images.clamp(0, 1) * 255).round()
        rows = [[*(round(value, 3) for value in image.mean((1, 2)).tolist()), *image.flatten()[:: image.numel() // 7][:7].int().tolist()]
                for image in levels]
        print(name, list(images.shape), json.dumps(rows))


with torch.no_grad():
    main(*sys.argv[1:])
