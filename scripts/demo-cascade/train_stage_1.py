"""Trains Stage 1 (64 px) with the finished T5 encoder.

Pictures wait in a ring on the GPU: a part of them is replaced again and again, and each is met about four times with other noise.

    python train_stage_1.py --minutes 25 --out runs/demo
"""
import argparse
import os
import time

import torch
import torch.nn.functional as F

import networks
from compose import Composer, load_sprites
from data import Pool
from sampling import sample_stage_1, sheet
from scenes import COLUMN, EASY, SIGN
from training import (Average, Clock, GaussianDiffusion, Log, Recorded, half_precision, load_half, load_state, optimizer_for,
                      save_half, save_state, setup)


def thing_mask(picture):
    """(B,1,64,64): 1 on and near whatever is not the ground, which fills most of a picture and is learnt first."""
    differs = (picture - picture[:, :, :1, :1]).abs().amax(1, keepdim=True) > 0.1
    return F.max_pool2d(differs.float(), 5, 1, 2)


class Ring:
    """Drawn pictures (count,3,64,64) with the places of their scenes in the pool."""

    def __init__(self, pool, composer, count, part):
        self.pool, self.composer, self.part, self.at = pool, composer, part, 0
        self.pictures = torch.zeros(count, 3, 64, 64, dtype=torch.uint8, device=pool.device)
        self.index = torch.zeros(count, dtype=torch.long, device=pool.device)
        for _ in range(-(-count // part)):
            self.renew(part)

    @torch.no_grad()
    def renew(self, count):
        index = self.pool.pick(count)
        drawn = self.composer.small(self.composer.place(self.pool.rows[index].long()))
        where = (self.at + torch.arange(count, device=index.device)) % len(self.index)
        self.pictures[where], self.index[where] = ((drawn + 1) * 127.5).round().byte(), index
        self.at = (self.at + count) % len(self.index)

    def batch(self, count):
        pick = torch.randint(len(self.index), (count,), device=self.index.device)
        return self.index[pick], self.pictures[pick].float() / 127.5 - 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=110)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--muon", type=float, default=0.02)
    parser.add_argument("--pool", type=int, default=1000000)
    parser.add_argument("--ring", type=int, default=300000)
    parser.add_argument("--resume", action="store_true", help="go on from stage-1.safetensors and the optimizer's state")
    parser.add_argument("--start", type=float, default=1.0, help="height on the cosine at which to begin")
    parser.add_argument("--drift", type=float, default=1.0, help="train against wrong colours in the noisy picture")
    parser.add_argument("--decay", type=float, default=0.999)
    parser.add_argument("--keep-every", type=int, default=500, help="save weights, state and samples every so many steps")
    parser.add_argument("--easy", action="store_true", help="mostly one thing, seldom a small one: to begin with")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--recorded", action="store_true", help="replay the step as a CUDA graph")
    parser.add_argument("--wait", help="begin once this file is there: the text encoder is done")
    parser.add_argument("--side", type=int, default=384, help="of the drawings, pixels")
    parser.add_argument("--things", default="things")
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    args = parser.parse_args()
    looks = load_sprites(args.things, args.side)
    seed = 2 + args.resume
    pool = Pool(args.tokenizers, args.things, args.pool, "cpu", seed, EASY if args.easy else None)
    device = setup(seed)
    pool.to(device)
    composer = Composer(args.things, device, looks)
    ring = Ring(pool, composer, args.ring, min(2048, args.ring))
    print("ring filled", flush=True)
    weights = os.path.join(args.out, "weights")
    unet = networks.pass_noise_through(networks.unet(networks.STAGE_1)).to(device).to(memory_format=torch.channels_last)
    if args.resume:
        load_half(unet, os.path.join(weights, "stage-1.safetensors"))
    optimizer = optimizer_for([unet], args.rate, args.muon, recorded=args.recorded)
    if args.resume:
        load_state(optimizer, os.path.join(args.out, "state", "stage-1.safetensors"))
    average = Average({"stage-1": unet}, args.decay)
    diffusion = GaussianDiffusion(networks.ddpm(networks.STAGE_1_SCHEDULER), device, heaviest=60.0)
    encoder = networks.text_encoder().to(device).requires_grad_(False)
    net, encode = unet, encoder
    if args.compiled:
        net, encode = torch.compile(unet, dynamic=False), torch.compile(encoder, dynamic=False)

    def forward(picture, ids, lettering):
        with torch.no_grad():
            t = torch.randint(1000, (len(ids),), device=device)
            # layout, colours and letters are decided while there is much noise
            t = torch.where(torch.rand(len(ids), device=device) < 0.5, 500 + t // 2, t)
            noisy, noise = diffusion.drifted(picture, torch.randn_like(picture), t, args.drift)
            noisy = noisy.contiguous(memory_format=torch.channels_last)
            with half_precision(device):
                tokens = encode(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state.float()
        with half_precision(device):
            output = net(noisy, t, tokens, return_dict=False)[0]
        error, bound = diffusion.losses(output, noise, t)
        weighted = error * diffusion.weight[t]
        things = ((output[:, :3].float() - noise).square() * thing_mask(picture)).mean((1, 2, 3)) * diffusion.weight[t]
        loss = (weighted + 4 * things).mean() + 0.05 * bound.mean()
        return loss, {"noise": error.mean(), "weighted": weighted.mean(), "things": things.mean(), "bound": bound.mean(),
                      "lettering": (weighted * lettering).sum() / lettering.sum().clamp(min=1)}

    def step(*inputs):
        optimizer.zero_grad()
        loss, parts = forward(*inputs)
        loss.backward()
        optimizer.step()
        return {name: value.detach() for name, value in parts.items()}

    def batch():
        index, picture = ring.batch(args.batch)
        return picture, pool.text(index, 0.08), (pool.rows[index, COLUMN["object_a"]] == SIGN).float()

    if args.wait:  # compile meanwhile
        forward(*batch())[0].backward()
        optimizer.zero_grad()
        print("compiled", flush=True)
        while not os.path.exists(args.wait):
            time.sleep(0.5)
    load_half(encoder, os.path.join(weights, "t5.safetensors"))

    def keep(step):
        average.swap()
        save_half(unet, os.path.join(weights, "stage-1.safetensors"))
        pictures = sample_stage_1(unet, encoder, args.tokenizers, device)
        sheet(pictures, os.path.join(args.out, "samples", f"stage-1-{step:06d}.png"))
        average.swap()
        save_state(optimizer, os.path.join(args.out, "state", "stage-1.safetensors"))

    asked = os.path.join(args.out, "keep")  # whoever makes this file gets what there is now
    clock = Clock(args.minutes, args.steps, args.rate, start=args.start, warm=100)
    log = Log(os.path.join(args.out, "logs.jsonl"), "stage-1", 50)
    while clock.tick(optimizer):
        if log.step % 16 == 0:
            ring.renew(4 * args.batch)
        if args.recorded and log.step == 0:
            step = Recorded(step, batch())
        parts = step(*batch())
        average.update()
        log.add(args.batch, **parts)
        if log.step % args.keep_every == 0 or os.path.exists(asked):
            keep(log.step)
            if os.path.exists(asked):
                os.remove(asked)
    keep(log.step)


if __name__ == "__main__":
    main()
