"""Trains the x4 upscaler's UNet and its CLIP text encoder on latents of windows of 1024 px drawings.

Windows are 512 px by turns with whole canvases, which the normalisation layers must know.  Early latents of a run are wrong
and the small picture is right: training pairs with wrong colours in the noisy latents teach that.

    python train_upscaler.py --minutes 25 --out runs/demo
"""
import argparse
import json
import os
import random

import torch
import torch.nn.functional as F

import networks
import scenes
from compose import Composer, load_sprites
from data import degrade, edge_windows
from rings import GEOMETRY, Ring, canvases, cut
from training import (Average, Clock, Log, add_shared_options, half_precision, load_half, optimizer_for, save_half,
                      save_state, setup)

MAX_NOISE_LEVEL = 350


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--batch", type=int, default=16, help="windows of 128 latents, or a quarter of whole canvases")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--muon", type=float, default=0.01)
    parser.add_argument("--pool", type=int, default=100000)
    parser.add_argument("--ring", type=int, default=3000, help="drawn pictures that wait on the GPU, 3.3 MB each")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--drift", type=float, default=1.0, help="train against wrong colours in the noisy latents")
    parser.add_argument("--displaced", type=float, default=0.08, help="pixels of the small picture, see data.degrade")
    parser.add_argument("--keep-every", type=int, default=500)
    add_shared_options(parser, "steps", "start", "compiled", "side", "things", "tokenizers", "out")
    args = parser.parse_args()
    from transformers import CLIPTokenizer

    looks = load_sprites(args.things, args.side)
    device = setup(8 + args.resume)
    rng, things = random.Random(8 + args.resume), scenes.load_things(args.things)
    tokenizer = CLIPTokenizer.from_pretrained(os.path.join(args.tokenizers, "clip"))
    rows = [scenes.sample(rng, things) for _ in range(args.pool)]
    texts = [scenes.unmark(scenes.caption(row, rng, things))[0] for row in rows]
    rows = torch.tensor(rows, device=device)
    all_ids = torch.tensor(tokenizer([""] + texts, padding="max_length", truncation=True, max_length=77).input_ids, device=device)
    composer = Composer(args.things, device, looks)
    weights = os.path.join(args.out, "weights")
    with open(os.path.join(weights, "vae.json")) as file:
        scaling = json.load(file)["scaling_factor"]
    vae = load_half(networks.autoencoder(), os.path.join(weights, "vae.safetensors")).to(device).requires_grad_(False)
    vae = vae.to(memory_format=torch.channels_last)
    unet = networks.unet(networks.UPSCALER).to(device).to(memory_format=torch.channels_last)
    clip = networks.clip(len(tokenizer)).to(device)
    if args.resume:
        load_half(unet, os.path.join(weights, "upscaler.safetensors"))
        load_half(clip, os.path.join(weights, "clip.safetensors"))
    modules = {"upscaler": unet, "clip": clip}
    optimizer = optimizer_for(list(modules.values()), args.rate, args.muon)
    average = Average(modules, 0.995)
    alphas = networks.ddim(networks.UPSCALER_SCHEDULER).alphas_cumprod.to(device)
    net = torch.compile(unet, dynamic=False) if args.compiled else unet

    def mix(a, b, level):
        alpha = alphas[level][:, None, None, None]
        return alpha.sqrt() * a + (1 - alpha).sqrt() * b

    def keep():
        average.swap()
        for name, module in modules.items():
            save_half(module, os.path.join(weights, f"{name}.safetensors"))
        average.swap()
        save_state(optimizer, os.path.join(args.out, "state", "upscaler.safetensors"))

    ring = Ring(canvases(lambda n: torch.randint(args.pool, (n,), device=device), rows, composer, 1024,
                         lambda scene: composer.paint(scene, 256, 256, 256) * 2 - 1), args.ring, min(16, args.ring))
    print("ring filled", flush=True)
    clock = Clock(args.minutes, args.steps, args.rate, start=args.start, until=os.path.join(args.out, "until-upscaler"))
    log = Log(os.path.join(args.out, "logs.jsonl"), "upscaler", 50)
    while clock.tick(optimizer):
        size = (128, 256)[log.step % 2]
        if log.step % 4 == 0:
            ring.renew(min(args.batch, args.ring))
        count = max(1, args.batch * 128 * 128 // size**2)
        extent = size / 256
        with torch.no_grad():
            held, pick = ring.held, ring.pick(count)
            ids = all_ids[torch.where(torch.rand(count, device=device) < 0.1, 0, held["index"][pick] + 1)]
            corner = (edge_windows({name: held[name][pick] for name in GEOMETRY}, extent, extent) * 256).round().long()
            large = cut(held["picture"], pick, corner * 4, size * 4)
            small = degrade(cut(held["small"], pick, corner, size), 0.6, args.displaced)
            with half_precision(device):
                latents = vae.quant_conv(vae.encoder(large.contiguous(memory_format=torch.channels_last)))[:, :4].float() * scaling
            level = torch.randint(MAX_NOISE_LEVEL + 1, (count,), device=device)
            level = torch.where(torch.rand(count, device=device) < 0.5, level // 6, level)  # the default is low
            small = mix(small, torch.randn_like(small), level)
            noise = torch.randn_like(latents)
            t = torch.randint(1000, (count,), device=device)
            # see GaussianDiffusion.drifted: early latents are wrong, the small picture is right
            noisy_time = ((t.float() - 250) / 650).clamp(0, 1).square()[:, None, None, None] * args.drift
            one = torch.rand(4, count, 1, 1, 1, device=device)
            wrong = 0.6 * torch.randn(count, 4, 1, 1, device=device) * (one[0] < 0.6)
            coarse = torch.randn(count, 4, 4, 4, device=device)
            wrong = wrong + 0.4 * F.interpolate(coarse, latents.shape[2:], mode="bilinear") * (one[1] < 0.5)
            wrong = noisy_time * wrong - noisy_time.clamp(max=1) * (one[2] < 0.35) * one[3].sqrt() * latents
            noisy = mix(latents + wrong, noise, t)
            alpha = alphas[t][:, None, None, None]
            velocity = (alpha.sqrt() * noisy - latents) / (1 - alpha).sqrt()
            noisy = torch.cat([noisy, small], 1).contiguous(memory_format=torch.channels_last)
        with half_precision(device):
            tokens = clip(ids)[0]
            output = net(noisy, t, tokens.float(), class_labels=level, return_dict=False)[0]
        loss = (output.float() - velocity).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()
        log.add(count, velocity=loss)
        if log.step % args.keep_every == 0:
            keep()
    keep()


if __name__ == "__main__":
    main()
