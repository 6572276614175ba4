"""Writes test/golden/steering/long-prompt.json: diffusers' IFPipeline on a prompt in two parts of 77 tokens.

    python scripts/golden/make-long-prompt.py test/golden

Each part is embedded by T5 on its own, padded to 77 tokens; the parts are laid end to end and handed over as
`prompt_embeds`, as compel does for Stable Diffusion; the negative prompt's are those of "" twice.  Needs torch, diffusers,
transformers, sentencepiece.
"""
import json
import os
import sys

import torch
from diffusers import DDPMScheduler, IFPipeline, UNet2DConditionModel
from transformers import T5EncoderModel, T5Tokenizer

PARTS = [
    "a red cat and a blue dog sit on a green hill under a tall old tree, while a small bird sings a song about the sea "
    "and the wind and the rain over the",
    "hills of the far land",
]


def main(target):
    checkpoint = os.path.join(target, "checkpoints", "if-i")
    tokenizer = T5Tokenizer.from_pretrained(os.path.join(checkpoint, "tokenizer"))
    encoder = T5EncoderModel.from_pretrained(os.path.join(checkpoint, "text_encoder")).float().eval()
    unet = UNet2DConditionModel.from_pretrained(os.path.join(checkpoint, "unet"), variant="fp16").float().eval()
    scheduler = DDPMScheduler.from_pretrained(os.path.join(checkpoint, "scheduler"))
    pipeline = IFPipeline(tokenizer=tokenizer, text_encoder=encoder, unet=unet, scheduler=scheduler, safety_checker=None,
                          feature_extractor=None, watermarker=None, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)

    @torch.no_grad()
    def embed(texts):
        tokens = tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        states = encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0]
        return torch.cat(list(states), 0)[None], tokens.attention_mask.sum(1).tolist()

    embeds, counts = embed(PARTS)
    negative, _ = embed(["", ""])
    images = pipeline(prompt_embeds=embeds, negative_prompt_embeds=negative, num_inference_steps=4, guidance_scale=3.0,
                      generator=torch.Generator().manual_seed(9), output_type="pt").images
    data = {"parts": PARTS, "tokens": counts, "seed": 9, "steps": 4, "guidance": 3.0, "shape": list(images.shape),
            "images": [float(f"{value:.8g}") for value in images.flatten().tolist()]}
    with open(os.path.join(target, "steering", "long-prompt.json"), "w", encoding="utf-8") as file:
        json.dump(data, file, separators=(",", ":"))
        file.write("\n")
    print(counts, images.min(), images.max())


if __name__ == "__main__":
    main(*sys.argv[1:])
