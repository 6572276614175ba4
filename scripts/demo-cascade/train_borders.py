"""Teaches the decoder to go on with an even ground to a picture's last row, on latents that the upscaler wrote.

The encoder marks in its latents where a picture ends, and the upscaler writes these marks inexactly, most of all at the bottom.
The goal is what the decoder draws already; where the ground near a border is even, the border continues it.

Crops of 256 px take turns with larger ones and whole pictures, since group norms see all that they are given.  Small differences
count by their squares: in absolute values the inside, which is right already, holds every weight where it is.

It takes the decoder from vae.safetensors, and writes the new one there.

    python train_borders.py --minutes 10
    python train_borders.py --minutes 40 --drawn latents    # files of txt2img --save-latents, each in a folder of its own
"""
import argparse
import glob
import json
import os
import random

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import networks
import scenes
from compose import Composer, load_sprites
from data import degrade
from train_autoencoder import with_any_ground
from training import Average, Clock, Log, add_shared_options, half_precision, load_half, optimizer_for, save_half, setup

BOTTOM, EDGE, BAND = 10, 4, 16  # pixels: of the border at the bottom, of the other three, and of the ground behind them that is looked at
EVEN = 10 / 127.5  # the ground differs by less than this there
SMALL = 3 / 127.5  # differences below this count by their squares
CROPS = (64, 128, 64, 256)  # sides in latents, by turns
MARGIN = 14  # latents at a crop's open sides that are not judged
SIDES = {"bottom": 6, "right": 1, "top": 1, "left": 1, "inside": 1}  # how often crops lie there
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
    """(H,W) of a whole picture: the borders are few among all pixels."""
    weight = torch.ones(height, width, device=device)
    weight[:EDGE] = weight[:, :EDGE] = weight[:, -EDGE:] = 10
    weight[-BOTTOM:] = 30
    weight[-3:] = 60
    return weight / weight.mean()


def crop_at(side, height, width, size, chance):
    """In latents: (top, bottom, left, right) of a crop that lies there, and of the part of the crop that is judged."""
    high, wide = min(size, height), min(size, width)
    top = {"top": 0, "bottom": height - high}.get(side, chance.randint(0, height - high))
    left = {"left": 0, "right": width - wide}.get(side, chance.randint(0, width - wide))
    judged = (MARGIN * (top > 0), high - MARGIN * (top + high < height), MARGIN * (left > 0), wide - MARGIN * (left + wide < width))
    return (top, top + high, left, left + wide), judged


def crop(pictures, place, scale=1):
    top, bottom, left, right = (scale * n for n in place)
    return pictures[..., top:bottom, left:right]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=1, help="whole pictures, or as many crops as make them")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--muon", type=float, default=1e-3)
    parser.add_argument("--latents", type=int, default=800, help="pictures whose latents are drawn first, 0.5 MB each")
    parser.add_argument("--unseen", type=int, default=32, help="pictures to judge by")
    parser.add_argument("--drawn", help="a folder with latents that the program wrote; a tenth of them is judged by in place of drawn ones")
    parser.add_argument("--from-drawn", type=float, default=0.4, help="share of the steps that learn from --drawn")
    parser.add_argument("--keep-every", type=int, default=1000)
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

    def some_latents(count):
        """About `count` in all, in eights, one by one."""
        eights = -(-count // 8 // len(SHAPES))
        return [one for shape in SHAPES for _ in range(eights) for one in draw_latents(8, shape).half().split(1)]

    def written_latents(folder):
        files = sorted(glob.glob(os.path.join(folder, "*", "stage-3-*.safetensors")))
        return [tensor.half().to(device) / scaling for file in files for tensor in load_file(file).values()]

    learnt, written, unseen = some_latents(args.latents), [], []
    if args.drawn:
        written = written_latents(args.drawn)
        written, unseen = [one for i, one in enumerate(written) if i % 10], written[::10]
    unseen = unseen or some_latents(args.unseen)
    print(len(learnt), "latents drawn and", len(written), "of the program to learn,", len(unseen), "to judge by", flush=True)

    @torch.no_grad()
    def targets(latents):
        """What the decoder drew before, and the same with the borders that it is to draw."""
        before = decode(teacher, latents).clamp(-1, 1)
        return before, with_even_borders(before)

    groups, shares = [], []
    for source, share in ((learnt, 1 - args.from_drawn if written else 1), (written, args.from_drawn)):
        by_shape = {}
        for one in source:
            by_shape.setdefault(tuple(one.shape[2:]), []).append(one)
        groups += by_shape.items()
        shares += [share * len(group) / len(source) for group in by_shape.values()]
    weights_by_shape = {shape: weights_of(4 * shape[0], 4 * shape[1], device) for shape, _ in groups}

    @torch.no_grad()
    def errors():
        """Levels of 255 by which the last rows are off, and by which the inside differs from before, on pictures that were not trained on."""
        sums = {}
        for latents in (one.float() for one in unseen):
            (before, target), after = targets(latents), decode(vae, latents).clamp(-1, 1)
            for name, picture in (("before", before), ("after", after)):
                gap = (picture - target).abs() * 127.5
                for row in (1, 2, 3, 6):
                    sums.setdefault(f"{name} -{row}", []).append(gap[:, :, -row].mean())
                sums.setdefault(f"{name} worst", []).append(gap[:, :, -8:].mean((1, 3)).max())
            sums.setdefault("inside", []).append((after - before)[:, :, 16:-16, 16:-16].abs().mean() * 127.5)
        means = {name: round(torch.stack(values).mean().item(), 3) for name, values in sums.items()}
        return {**means, "after worst of all": round(max(sums["after worst"]).item(), 3)}

    optimizer = optimizer_for([vae.post_quant_conv, vae.decoder], args.rate, args.muon)
    average = Average({"vae": vae}, 0.998)
    clock = Clock(args.minutes, args.steps, args.rate, start=1.0, until=os.path.join(args.out, "until-borders"))
    log = Log(os.path.join(args.out, "logs.jsonl"), "borders", 50)

    def keep():
        average.swap()
        print(errors(), flush=True)
        save_half(vae, os.path.join(weights, "vae.safetensors"))
        average.swap()

    print(errors(), flush=True)
    chance = random.Random(13)
    while clock.tick(optimizer):
        (height, width), group = chance.choices(groups, shares)[0]
        size = CROPS[log.step % len(CROPS)]
        side = chance.choices(list(SIDES), list(SIDES.values()))[0]
        count = args.batch * height * width // (min(size, height) * min(size, width))
        places = [crop_at(side, height, width, size, chance) for _ in range(count)]
        latents = torch.cat([crop(chance.choice(group), place) for place, _ in places]).float()
        gap = F.smooth_l1_loss(decode(vae, latents), targets(latents)[1], reduction="none", beta=SMALL)
        weight = weights_by_shape[height, width] + args.inside
        losses = [(crop(one, judged, 4) * crop(crop(weight, place, 4), judged, 4)).mean() for one, (place, judged) in zip(gap, places)]
        loss = torch.stack(losses).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()
        log.add(args.batch, loss=loss)
        if log.step % args.keep_every == 0:
            keep()
    keep()


if __name__ == "__main__":
    main()
