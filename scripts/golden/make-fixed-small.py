"""Writes test/golden/lora/fixed-small.json: diffusers' IFPipeline with the scheduler that DreamBooth's training saves.

    python scripts/golden/make-fixed-small.py test/golden

train_dreambooth.py and train_dreambooth_lora.py of diffusers set `variance_type: fixed_small`: the UNet still predicts a
variance, and it is dropped. Needs torch, diffusers and transformers.
"""
import json
import os
import sys

import torch
from diffusers import DDPMScheduler, IFPipeline, UNet2DConditionModel


def main(target):
    checkpoint = os.path.join(target, "checkpoints", "if-i")
    unet = UNet2DConditionModel.from_pretrained(os.path.join(checkpoint, "unet"), variant="fp16").float().eval()
    scheduler = DDPMScheduler.from_pretrained(os.path.join(checkpoint, "scheduler"), variance_type="fixed_small")
    pipeline = IFPipeline(tokenizer=None, text_encoder=None, unet=unet, scheduler=scheduler, safety_checker=None,
                          feature_extractor=None, watermarker=None, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(3)
    width = unet.config.encoder_hid_dim
    embeds, negative = (torch.randn(1, 77, width, generator=generator) for _ in range(2))
    images = pipeline(prompt_embeds=embeds, negative_prompt_embeds=negative, num_inference_steps=5, guidance_scale=3.0, height=16, width=16,
                      generator=torch.Generator().manual_seed(9), output_type="pt").images
    data = {"embedsSeed": 3, "seed": 9, "steps": 5, "guidance": 3.0, "shape": list(images.shape),
            "images": [float(f"{value:.8g}") for value in images.flatten().tolist()]}
    with open(os.path.join(target, "lora", "fixed-small.json"), "w", encoding="utf-8") as file:
        json.dump(data, file, separators=(",", ":"))
        file.write("\n")
    print(images.shape, images.min(), images.max())


if __name__ == "__main__":
    main(*sys.argv[1:])
