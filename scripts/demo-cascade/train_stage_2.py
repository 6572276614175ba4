"""Trains Stage 2 (64 -> 256 px) with the finished T5 encoder.  Its small pictures get errors like Stage 1's.

    python train_stage_2.py --minutes 9.5 --out runs/demo
    python train_stage_2.py --minutes 30 --out runs/demo --resume --drift 1 --window 64 --batch 16 --rate 3e-4   # see README
"""
import argparse
import os

import torch
import torch.nn.functional as F

import draw
import networks
from data import Pool, degrade, edge_windows, painter
from training import Average, Clock, GaussianDiffusion, Log, half_precision, load_half, optimizer_for, save_half, setup

MAX_NOISE_LEVEL = 400


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=9.5)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--pool", type=int, default=400000)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--drift", type=float, default=0.0, help="train against wrong colours in the noisy picture")
    parser.add_argument("--window", type=int, default=256, help="side of the part of the picture that is trained on")
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    args = parser.parse_args()
    device = setup(4 + args.resume)
    pool = Pool(args.tokenizers, args.pool, device, seed=4 + args.resume)
    weights = os.path.join(args.out, "weights")
    encoder = load_half(networks.text_encoder(), os.path.join(weights, "t5.safetensors")).to(device).requires_grad_(False)
    unet = networks.unet(networks.STAGE_2).to(device).to(memory_format=torch.channels_last)
    if args.resume:
        load_half(unet, os.path.join(weights, "stage-2.safetensors"))
    optimizer = optimizer_for([{"params": list(unet.parameters())}], args.rate)
    average = Average({"stage-2": unet}, 0.999 if not args.steps else 0.9)
    diffusion = GaussianDiffusion(networks.ddpm(networks.STAGE_2_SCHEDULER), device, heaviest=150.0 if args.drift else 6.0)
    paint = painter(os.path.join(args.out, "glyphs.npy"), device, not args.no_compile)
    predict = unet if args.no_compile else torch.compile(unet, dynamic=False)

    def guide_of(small):
        return F.interpolate(small, (256, 256), mode="bilinear", align_corners=True)

    @torch.no_grad()
    def prepared():
        """Batches without end; drawn and encoded eight at a time, which keeps the GPU busier."""
        while True:
            attributes, ids, mask = pool.batch(8 * args.batch, empty_share=0.1)
            scene = draw.place(attributes)
            if args.window == 256:
                pictures = paint(scene, 256) * 2 - 1
                guides = guide_of(degrade(F.avg_pool2d(pictures, 4), 1.0))
            else:
                guides = guide_of(degrade(F.avg_pool2d(paint(scene, 128), 2) * 2 - 1, 1.0))
                corners = (edge_windows(scene, args.window / 256) * 256).round().long()
                pictures = paint(scene, args.window, corners / 256, args.window / 256) * 2 - 1
                guides = torch.stack([g[:, y : y + args.window, x : x + args.window] for g, (x, y) in zip(guides, corners.tolist())])
            with half_precision(device):
                tokens = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            for i in range(0, 8 * args.batch, args.batch):
                part = slice(i, i + args.batch)
                yield pictures[part], guides[part], tokens[part]

    clock = Clock(args.minutes, args.steps, args.rate, start=0.5 if args.resume else 1.0)
    log = Log(os.path.join(args.out, "logs.jsonl"), "stage-2", args.every if not args.steps else max(1, args.steps // 4))
    for picture, guide, tokens in prepared():
        if not clock.tick(optimizer):
            break
        with torch.no_grad():
            level = torch.randint(MAX_NOISE_LEVEL + 1, (args.batch,), device=device)
            guide = diffusion.add(guide, torch.randn_like(guide), level)
            noise = torch.randn_like(picture)
            t = torch.randint(1000, (args.batch,), device=device)
            if args.drift:
                t = torch.where(torch.rand(args.batch, device=device) < 0.6, 600 + t * 2 // 5, t)
                noisy, noise = diffusion.drifted(picture, noise, t, args.drift)
            else:
                noisy = diffusion.add(picture, noise, t)
            noisy = torch.cat([noisy, guide], 1).contiguous(memory_format=torch.channels_last)
        with half_precision(device):
            output = predict(noisy, t, tokens, class_labels=level, return_dict=False)[0]
        error, bound = diffusion.losses(output, noise, t)
        loss = (error * diffusion.weight[t]).mean() + 0.3 * bound.mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        average.update()
        log.add(args.batch, noise=error.mean(), weighted=(error * diffusion.weight[t]).mean(), bound=bound.mean(), gradient=norm)
    average.swap()
    save_half(unet, os.path.join(weights, "stage-2.safetensors"))


if __name__ == "__main__":
    main()
