"""Trains Stage 2 (64 -> 256 px) with the finished T5 encoder.  Its small pictures get errors like Stage 1's.

Windows of 128 px by turns with whole pictures, which the normalisation layers must know.

    python train_stage_2.py --minutes 32 --out runs/demo
"""
import argparse
import os
import time

import torch

import networks
from compose import Composer, load_sprites
from data import Pool, degrade, edge_windows
from rings import GEOMETRY, Ring, canvases, cut, enlarged, from_bytes
from training import (Average, Clock, GaussianDiffusion, Log, add_shared_options, half_precision, load_half,
                      optimizer_for, save_half, save_state, setup)

MAX_NOISE_LEVEL = 400


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=35)
    parser.add_argument("--batch", type=int, default=64, help="windows of 128 px, or a quarter of whole pictures")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--muon", type=float, default=0.01)
    parser.add_argument("--pool", type=int, default=200000)
    parser.add_argument("--ring", type=int, default=20000, help="drawn pictures that wait on the GPU, 0.2 MB each")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--drift", type=float, default=1.0, help="train against wrong colours in the noisy picture")
    parser.add_argument("--displaced", type=float, default=0.06, help="pixels of the small picture, see data.degrade")
    parser.add_argument("--keep-every", type=int, default=500)
    parser.add_argument("--wait", help="begin once this file is there: the text encoder is done")
    add_shared_options(parser, "steps", "start", "compiled", "side", "things", "tokenizers", "out")
    args = parser.parse_args()
    looks = load_sprites(args.things, args.side)
    seed = 4 + args.resume
    pool = Pool(args.tokenizers, args.things, args.pool, "cpu", seed)
    device = setup(seed)
    pool.to(device)
    composer = Composer(args.things, device, looks)
    weights = os.path.join(args.out, "weights")
    unet = networks.pass_noise_through(networks.unet(networks.STAGE_2)).to(device).to(memory_format=torch.channels_last)
    if args.resume:
        load_half(unet, os.path.join(weights, "stage-2.safetensors"))
    optimizer = optimizer_for([unet], args.rate, args.muon)
    average = Average({"stage-2": unet}, 0.995)
    diffusion = GaussianDiffusion(networks.ddpm(networks.STAGE_2_SCHEDULER), device, heaviest=60.0)
    encoder = networks.text_encoder().to(device).requires_grad_(False)
    net = torch.compile(unet, dynamic=False) if args.compiled else unet

    ring = Ring(canvases(pool.pick, pool.rows, composer, 256, composer.small), args.ring, min(256, args.ring))
    print("ring filled", flush=True)

    @torch.no_grad()
    def examples(count, side):
        """(pictures, guides, tokens) of one window each; the guide is cut from the whole small picture, resized."""
        held, pick = ring.held, ring.pick(count)
        ids = pool.text(held["index"][pick], 0.1)
        guides = enlarged(degrade(from_bytes(held["small"][pick]), 1.0, args.displaced), 256)
        corners = (edge_windows({name: held[name][pick] for name in GEOMETRY}, side / 256, side / 256) * 256).round().long()
        pictures = cut(held["picture"], pick, corners, side)
        columns, lines = (corners.T[:, :, None] + torch.arange(side, device=device)).unbind()
        guides = guides[torch.arange(count, device=device)[:, None, None], :, lines[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
        with half_precision(device):
            tokens = encoder(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state.float()
        return pictures, guides, tokens

    def forward(count, side):
        picture, guide, tokens = examples(count, side)
        with torch.no_grad():
            level = torch.randint(MAX_NOISE_LEVEL + 1, (count,), device=device)
            level = torch.where(torch.rand(count, device=device) < 0.5, level // 4, level)  # the default is low
            guide = diffusion.add(guide, torch.randn_like(guide), level)
            t = torch.randint(1000, (count,), device=device)
            t = torch.where(torch.rand(count, device=device) < 0.5, t * 2 // 5, t)  # outlines are settled late
            noisy, noise = diffusion.drifted(picture, torch.randn_like(picture), t, args.drift)
            noisy = torch.cat([noisy, guide], 1).contiguous(memory_format=torch.channels_last)
        with half_precision(device):
            output = net(noisy, t, tokens, class_labels=level, return_dict=False)[0]
        error, bound = diffusion.losses(output, noise, t)
        weighted = (error * diffusion.weight[t]).mean()
        return weighted + 0.05 * bound.mean() + error.mean(), {"noise": error.mean(), "weighted": weighted, "bound": bound.mean()}

    shapes = [(args.batch, 128), (max(1, args.batch // 4), 256)]
    if args.wait:  # compile meanwhile
        for shape in shapes:
            forward(*shape)[0].backward()
        optimizer.zero_grad()
        print("compiled", flush=True)
        while not os.path.exists(args.wait):
            time.sleep(0.5)
    load_half(encoder, os.path.join(weights, "t5.safetensors"))

    def keep():
        average.swap()
        save_half(unet, os.path.join(weights, "stage-2.safetensors"))
        average.swap()
        save_state(optimizer, os.path.join(args.out, "state", "stage-2.safetensors"))

    clock = Clock(args.minutes, args.steps, args.rate, start=args.start, warm=50, until=os.path.join(args.out, "until-stage-2"))
    log = Log(os.path.join(args.out, "logs.jsonl"), "stage-2", 50)
    while clock.tick(optimizer):
        shape = shapes[log.step % 2]
        if log.step % 8 == 0:
            ring.renew(args.batch)
        loss, parts = forward(*shape)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()
        log.add(shape[0], **parts)
        if log.step % args.keep_every == 0:
            keep()
    keep()


if __name__ == "__main__":
    main()
