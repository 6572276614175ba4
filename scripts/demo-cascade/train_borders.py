"""Teaches the decoder to go on with an even ground to a picture's last row, on latents that the upscaler wrote.

The encoder marks in its latents where a picture ends, and the upscaler writes these marks inexactly, most of all at the bottom.
The goal is what the decoder draws already; where the ground near a border is even, the border continues it.

It takes the decoder from vae.safetensors, and writes the new one there.

    python train_borders.py --minutes 10
"""
import argparse
import json
import os
import random

import torch

import networks
import scenes
from compose import Composer, load_sprites
from data import degrade
from train_autoencoder import with_any_ground
from training import Average, Clock, Log, add_shared_options, half_precision, load_half, save_half, setup

BOTTOM, EDGE, BAND = 10, 4, 16  # pixels: of the border at the bottom, of the other three, and of the ground behind them that is looked at
EVEN = 10 / 127.5  # the ground differs by less than this there
SHAPES = ((256, 256), (256, 256), (192, 256), (256, 192))  # heights and widths of the small pictures
STEPS, NOISE_LEVEL = 12, 20  # the program's defaults for the demo


@torch.no_grad()
def latents_of(unet, tokens, small):
    """The upscaler's latents of small pictures (B,3,h,w) in [-1,1], without guidance, as the program draws them."""
    low = networks.ddpm(networks.LOW_RES_SCHEDULER)
    level = torch.full((len(small),), NOISE_LEVEL, device=small.device)
    guide = low.add_noise(small, torch.randn_like(small), level)
    scheduler = networks.ddim(networks.UPSCALER_SCHEDULER)
    scheduler.set_timesteps(STEPS)
    x = torch.randn(len(small), 4, *small.shape[2:], device=small.device)
    for t in scheduler.timesteps:
        given = torch.cat([x, guide], 1).contiguous(memory_format=torch.channels_last)
        with half_precision(small.device):
            guess = unet(given, t.to(small.device), tokens, class_labels=level, return_dict=False)[0].float()
        x = scheduler.step(guess, t, x, eta=0.0).prev_sample
    return x


def decode(vae, latents):
    return vae.decoder(vae.post_quant_conv(latents))


def with_even_borders(picture):
    """(B,3,H,W) -> the same, the borders as the mean of the rows behind them, column by column, where those are even."""
    for turn in range(4):  # bottom, right, top, left
        turned = torch.rot90(picture, turn, (2, 3)).clone()
        width = EDGE if turn else BOTTOM
        behind = turned[:, :, -width - BAND : -width]
        even = (behind.amax(2) - behind.amin(2)).amax(1) < EVEN
        turned[:, :, -width:] = torch.where(even[:, None, None], behind.mean(2, keepdim=True), turned[:, :, -width:])
        picture = torch.rot90(turned, -turn, (2, 3))
    return picture.contiguous()


def weights_of(height, width, device):
    """(H,W): the borders are few among all pixels."""
    weight = torch.ones(height, width, device=device)
    weight[:EDGE] = weight[:, :EDGE] = weight[:, -EDGE:] = 10
    weight[-BOTTOM:] = 30
    weight[-3:] = 60
    return weight / weight.mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--latents", type=int, default=800, help="pictures whose latents are drawn first, 0.5 MB each")
    parser.add_argument("--inside", type=float, default=1.0, help="weight of what is not at a border staying as it is")
    add_shared_options(parser, "steps", "side", "things", "tokenizers", "out")
    args = parser.parse_args()
    from transformers import CLIPTokenizer

    looks = load_sprites(args.things, args.side)
    device = setup(12)
    rng, things = random.Random(12), scenes.load_things(args.things)
    tokenizer = CLIPTokenizer.from_pretrained(os.path.join(args.tokenizers, "clip"))
    composer = Composer(args.things, device, looks)
    weights = os.path.join(args.out, "weights")
    with open(os.path.join(weights, "vae.json")) as file:
        scaling = json.load(file)["scaling_factor"]
    teacher, vae = (load_half(networks.autoencoder(), os.path.join(weights, "vae.safetensors")).to(device) for _ in range(2))
    unet = load_half(networks.unet(networks.UPSCALER), os.path.join(weights, "upscaler.safetensors")).to(device)
    clip = load_half(networks.clip(len(tokenizer)), os.path.join(weights, "clip.safetensors")).to(device)
    for module in (teacher, vae.encoder, vae.quant_conv, unet, clip):
        module.requires_grad_(False)
    unet.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def draw_latents(count, shape):
        rows = [scenes.sample(rng, things) for _ in range(count)]
        texts = [scenes.unmark(scenes.caption(row, rng, things))[0] for row in rows]
        rows = with_any_ground(torch.tensor(rows, device=device))
        height, width = shape
        short = min(shape)
        scene = composer.place(rows, width / short, height / short)
        small = composer.paint(scene, height, width, short) * 2 - 1
        if height == width:
            small = degrade(small, 0.6, 0.08)
        ids = tokenizer(texts, padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids.to(device)
        return latents_of(unet, clip(ids)[0], small) / scaling

    def latents_by_shape(count):
        """About `count` in all, in eights."""
        eights = -(-count // 8 // len(SHAPES))
        return [torch.cat([draw_latents(8, shape) for _ in range(eights)]).half() for shape in SHAPES]

    learnt, unseen = latents_by_shape(args.latents), latents_by_shape(32)
    weights_by_shape = [weights_of(4 * height, 4 * width, device) for height, width in SHAPES]
    print("latents drawn", flush=True)

    @torch.no_grad()
    def targets(latents):
        """What the decoder drew before, and the same with the borders that it is to draw."""
        before = decode(teacher, latents).clamp(-1, 1)
        return before, with_even_borders(before)

    @torch.no_grad()
    def errors():
        """Levels of 255 by which the last rows are off, and by which the inside differs from before, on pictures that were not trained on."""
        sums = {}
        for latents in (one[None].float() for group in unseen for one in group):
            (before, target), after = targets(latents), decode(vae, latents).clamp(-1, 1)
            for name, picture in (("before", before), ("after", after)):
                gap = (picture - target).abs() * 127.5
                for row in (1, 2, 3, 6):
                    sums.setdefault(f"{name} -{row}", []).append(gap[:, :, -row].mean())
                sums.setdefault(f"{name} worst", []).append(gap[:, :, -8:].mean((1, 3)).max())
            sums.setdefault("inside", []).append((after - before)[:, :, 16:-16, 16:-16].abs().mean() * 127.5)
        return {name: round(torch.stack(values).mean().item(), 3) for name, values in sums.items()}

    trained = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    optimizer = torch.optim.Adam(trained, lr=args.rate, betas=(0.9, 0.98))
    average = Average({"vae": vae}, 0.998)
    clock = Clock(args.minutes, args.steps, args.rate, start=1.0, until=os.path.join(args.out, "until-borders"))
    log = Log(os.path.join(args.out, "logs.jsonl"), "borders", 50)

    def keep():
        average.swap()
        print(errors(), flush=True)
        save_half(vae, os.path.join(weights, "vae.safetensors"))
        average.swap()

    while clock.tick(optimizer):
        shape = log.step % len(SHAPES)
        latents = learnt[shape][torch.randint(len(learnt[shape]), (args.batch,), device=device)].float()
        gap = (decode(vae, latents) - targets(latents)[1]).abs()
        loss = (gap * weights_by_shape[shape]).mean() + args.inside * gap[:, :, 16:-16, 16:-16].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        average.update()
        log.add(args.batch, loss=loss)
        if log.step % 1000 == 0:
            keep()
    keep()


if __name__ == "__main__":
    main()
