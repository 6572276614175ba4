"""Samples drawn while a training runs, and contact sheets of them."""
import os

import numpy as np
import sentencepiece
import torch
from PIL import Image, ImageDraw

import networks
from training import half_precision

SHOWN = [
    "a dog", "a red car", "a rocket above a house on a blue background", 'an owl left of a sign that says "OWL"', "three apples",
    "a cat in cartoon style", "a guitar in neon style", "an elephant in pencil style", "a tree in line style", "a blue bird",
    "a large red circle left of a small blue star on a white background", "a red circle", 'a white sign that says "HELLO"',
    'a red sign that says "7UP" on a blue background', "a purple heart in neon style", "a yellow star on a black background",
    'a green sign that says "GARDEN"', 'a blue sign that says "HAPPY BIRTHDAY"', "a pizza", "a bicycle on a green background",
    "a penguin and a snowman", "a banana right of a strawberry", "two cats", "five balloons on a pink background",
    "a small green triangle above a large orange diamond in pencil style", "a castle", "a crown on a purple background",
    "a butterfly", "an astronaut on the moon", "a green frog below a yellow umbrella", "a cup of coffee", "a train in flat style",
    "a horse", "a lion in cartoon style", "a sunflower", "a fish in line style", "a piano", "a clock", "a snake in neon style",
    "a purple dragon", "a robot left of a tv", "a cake in cartoon style", "a kitten", "a ship on a blue background", "a hammer",
    "six stars on a black background", "a smiling face", "a cactus in cartoon style",
]


def guided(unet, x, t, text, guidance, device):
    """The noise guess and the spread, guided; `text` = (without prompt, with prompt)."""
    with half_precision(device):
        output = unet(torch.cat([x, x]), t, text, return_dict=False)[0].float()
    without, output = output.chunk(2)
    return torch.cat([without[:, :3] + guidance * (output[:, :3] - without[:, :3]), output[:, 3:]], 1)


@torch.no_grad()
def sample_stage_1(unet, encoder, tokenizers, device, prompts=SHOWN, guidance=2.5, steps="smart27_timesteps", seed=0, height=64, width=64):
    """(N,3,height,width) in [-1,1]."""
    from diffusers.pipelines.deepfloyd_if import timesteps as presets

    tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(tokenizers, "t5", "spiece.model"))
    ids = torch.zeros(2 * len(prompts), networks.TEXT_LENGTH, dtype=torch.long)
    for i, prompt in enumerate([""] * len(prompts) + list(prompts)):
        tokens = [*tokenizer.encode(prompt.lower())[: networks.TEXT_LENGTH - 1], 1]
        ids[i, : len(tokens)] = torch.tensor(tokens)
    ids = ids.to(device)
    text = encoder(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state
    scheduler = networks.ddpm(networks.STAGE_1_SCHEDULER)
    scheduler.set_timesteps(timesteps=getattr(presets, steps))
    generator = torch.Generator(device).manual_seed(seed)
    x = torch.randn(len(prompts), 3, height, width, generator=generator, device=device)
    for t in scheduler.timesteps:
        x = scheduler.step(guided(unet, x, t.to(device), text, guidance, device), t, x, generator=generator).prev_sample
    return x.clamp(-1, 1)


def sheet(pictures, path, columns=12, prompts=SHOWN, shown=128):
    """A contact sheet of pictures (N,3,H,W) in [-1,1]."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pixels = ((pictures + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    page = Image.new("RGB", (columns * (shown + 4), -(-len(pixels) // columns) * (shown + 28)), "white")
    pen = ImageDraw.Draw(page)
    for i, picture in enumerate(pixels):
        x, y = i % columns * (shown + 4), i // columns * (shown + 28)
        page.paste(Image.fromarray(np.ascontiguousarray(picture)).resize((shown, shown), Image.NEAREST if len(picture) < shown else Image.BOX), (x, y))
        for k in range(2):
            pen.text((x, y + shown + 12 * k), prompts[i][k * 22 : (k + 1) * 22], fill="black")
    page.save(path)
