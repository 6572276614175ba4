"""Teaches the decoder to go on with an even ground to a picture's last row, on latents that the upscaler wrote.

The encoder marks in its latents where a picture ends, and the upscaler writes these marks inexactly, most of all at the bottom.
The goal is what the decoder draws already; where the ground near a border is even, the border continues it.

Windows at the borders are decoded with the group norms' statistics of their whole pictures, so that a window is drawn as it
is in its picture for a twentieth of the work.  What is learnt changes the statistics: with every step one picture's are taken anew.

It takes the decoder from vae.safetensors, and writes the new one there.

    python train_borders.py --minutes 10
    python train_borders.py --minutes 40 --drawn latents    # files of txt2img --save-latents, each in a folder of its own
"""
import argparse
import glob
import json
import os
import random
from functools import partial

import torch
from safetensors.torch import load_file

import networks
import scenes
from compose import Composer, load_sprites
from data import degrade
from train_autoencoder import with_any_ground
from training import Average, Clock, Log, add_shared_options, half_precision, load_half, save_half, setup

BOTTOM, EDGE, BAND = 10, 4, 16  # pixels: of the border at the bottom, of the other three, and of the ground behind them that is looked at
EVEN = 10 / 127.5  # the ground differs by less than this there
DEEP, LONG, MARGIN = 28, 100, 14  # latents of a window, and how many of them at its open sides are not judged
SIDES = {"bottom": 6, "right": 1, "top": 1, "left": 1, "inside": 1}  # how often windows lie there
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


class Statistics:
    """Group norms that write down the statistics of what they see, or take given ones."""

    def __init__(self, decoder):
        self.given, self.seen = None, None
        for norm in decoder.modules():
            if isinstance(norm, torch.nn.GroupNorm):
                norm.forward = partial(self.forward, norm)

    def forward(self, norm, x):
        if self.given is None:
            groups = x.reshape(len(x), norm.num_groups, -1)
            deviation, mean = torch.std_mean(groups, 2, unbiased=False)
            one = torch.stack([mean, (deviation.square() + norm.eps).rsqrt()])
            if self.seen is not None:
                self.seen.append(one)
        else:
            one = next(self.given)
        mean, scale = one.repeat_interleave(x.shape[1] // norm.num_groups, 2)[..., None, None]
        factor = scale * norm.weight[:, None, None]
        return x * factor + (norm.bias[:, None, None] - mean * factor)

    def recorded(self, run):
        """`run()` and the statistics of each norm, in their order: [(2, B, groups)], means and factors."""
        self.seen = []
        out, seen, self.seen = run(), self.seen, None
        return out, seen

    def using(self, given, run):
        self.given = iter(given)
        out, self.given = run(), None
        return out


def window_at(side, height, width, chance):
    """In latents: (top, left, height, width) of a window, and the part of it that is judged as (top, bottom, left, right)."""
    deep, long = min(DEEP, height, width), min(LONG, height, width)
    high, wide = (deep, long) if side in ("bottom", "top") else (long, deep) if side in ("left", "right") else (2 * deep, 2 * deep)
    top = {"top": 0, "bottom": height - high}.get(side, chance.randint(0, height - high))
    left = {"left": 0, "right": width - wide}.get(side, chance.randint(0, width - wide))
    judged = (MARGIN * (top > 0), high - MARGIN * (top + high < height), MARGIN * (left > 0), wide - MARGIN * (left + wide < width))
    return (top, left, high, wide), judged


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
    parser.add_argument("--batch", type=int, default=8, help="windows")
    parser.add_argument("--rate", type=float, default=5e-5)
    parser.add_argument("--latents", type=int, default=800, help="pictures whose latents are drawn first, 0.5 MB each")
    parser.add_argument("--unseen", type=int, default=32, help="pictures to judge by")
    parser.add_argument("--drawn", help="a folder with latents that the program wrote, learnt as well; a tenth of them is judged by in place of drawn ones")
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

    learnt, unseen = some_latents(args.latents), []
    if args.drawn:
        written = written_latents(args.drawn)
        learnt, unseen = learnt + [one for i, one in enumerate(written) if i % 10], written[::10]
    unseen = unseen or some_latents(args.unseen)
    print(len(learnt), "latents to learn,", len(unseen), "to judge by", flush=True)

    @torch.no_grad()
    def targets(latents):
        """What the decoder drew before, and the same with the borders that it is to draw."""
        before = decode(teacher, latents).clamp(-1, 1)
        return before, with_even_borders(before)

    statistics = Statistics(vae.decoder)

    @torch.no_grad()
    def decoded(latents):
        """The whole picture, and the statistics of its group norms."""
        return statistics.recorded(lambda: decode(vae, latents.float()))

    pictures, seen = [], []
    for picture, its_statistics in map(decoded, learnt):  # the decoder is still what it was
        pictures.append(with_even_borders(picture.clamp(-1, 1)).half())
        seen.append(its_statistics)
    weights_by_shape = {one.shape[2:]: weights_of(4 * one.shape[2], 4 * one.shape[3], device) for one in learnt}
    print("statistics kept", flush=True)

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
        return {name: round(torch.stack(values).mean().item(), 3) for name, values in sums.items()}

    def loss_at(side, picked, chance):
        """Windows on one side of pictures of one shape."""
        height, width = learnt[picked[0]].shape[2:]
        places = [window_at(side, height, width, chance) for _ in picked]
        windows = torch.cat([learnt[i][:, :, top : top + high, left : left + wide] for i, ((top, left, high, wide), _) in zip(picked, places)])
        given = [torch.cat(ones, 1) for ones in zip(*(seen[i] for i in picked))]
        drawn = statistics.using(given, lambda: decode(vae, windows.float()))
        losses = []
        for one, i, ((top, left, _, _), judged) in zip(drawn, picked, places):
            a, b, c, d = (4 * n for n in judged)
            down, right = 4 * top, 4 * left
            gap = (one[:, a:b, c:d] - pictures[i][0, :, down + a : down + b, right + c : right + d]).abs()
            weight = weights_by_shape[height, width][down + a : down + b, right + c : right + d]
            losses.append((gap * (weight + args.inside)).mean())
        return torch.stack(losses).mean()

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

    print(errors(), flush=True)
    chance = random.Random(13)
    by_shape = {}
    for i, one in enumerate(learnt):
        by_shape.setdefault(one.shape[2:], []).append(i)
    while clock.tick(optimizer):
        alike = by_shape[learnt[chance.randrange(len(learnt))].shape[2:]]
        side = chance.choices(list(SIDES), list(SIDES.values()))[0]
        loss = loss_at(side, [chance.choice(alike) for _ in range(args.batch)], chance)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        average.update()
        renewed = log.step % len(learnt)
        seen[renewed] = decoded(learnt[renewed])[1]
        log.add(args.batch, loss=loss)
        if log.step % args.keep_every == 0:
            keep()
    keep()


if __name__ == "__main__":
    main()
