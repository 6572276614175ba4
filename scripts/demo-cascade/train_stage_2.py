"""Trains Stage 2 (64 -> 256 px) with the finished T5 encoder.  Its small pictures get errors like Stage 1's.

Windows of the picture at first, whole pictures in the end, which the normalisation layers must know.

    python train_stage_2.py --minutes 32 --out runs/demo
    python train_stage_2.py --minutes 13 --resume --start 0.5 --fine
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
EARLY, LATE = (64, 64, 128), (128, 256, 64)  # window sides; a batch covers about the same area


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=35)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=24, help="windows of 64 px, or fewer larger ones")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--muon", type=float, default=0.01)
    parser.add_argument("--pool", type=int, default=100000)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--start", type=float, default=1.0, help="height on the cosine at which to begin")
    parser.add_argument("--fine", action="store_true", help="large windows and mostly little noise: takes the grain away")
    parser.add_argument("--drift", type=float, default=1.0, help="train against wrong colours in the noisy picture")
    parser.add_argument("--displaced", type=float, default=0.08, help="pixels of the small picture, see data.degrade")
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    args = parser.parse_args()
    device = setup(4 + args.resume)
    pool = Pool(args.tokenizers, args.pool, device, seed=4 + args.resume)
    weights = os.path.join(args.out, "weights")
    encoder = load_half(networks.text_encoder(), os.path.join(weights, "t5.safetensors")).to(device).requires_grad_(False)
    unet = networks.pass_noise_through(networks.unet(networks.STAGE_2)).to(device).to(memory_format=torch.channels_last)
    if args.resume:
        load_half(unet, os.path.join(weights, "stage-2.safetensors"))
    optimizer = optimizer_for([unet], args.rate, args.muon)
    average = Average({"stage-2": unet}, 0.99)
    diffusion = GaussianDiffusion(networks.ddpm(networks.STAGE_2_SCHEDULER), device, heaviest=60.0)
    paint = painter(os.path.join(args.out, "glyphs.npy"), device, False)

    @torch.no_grad()
    def examples(count, side):
        """(pictures, guides, tokens) of one window each; the guide is cut from the whole small picture, resized."""
        attributes, ids, mask = pool.batch(count, empty_share=0.1)
        scene = draw.place(attributes)
        small = degrade(F.avg_pool2d(paint(scene, 128), 2) * 2 - 1, 1.0, args.displaced)
        guides = F.interpolate(small, (256, 256), mode="bilinear", align_corners=True)
        corners = (edge_windows(scene, side / 256) * 256).round().long()
        pictures = paint(scene, side, corners / 256, side / 256) * 2 - 1
        columns, rows = (corners.T[:, :, None] + torch.arange(side, device=device)).unbind()
        guides = guides[torch.arange(count, device=device)[:, None, None], :, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
        with half_precision(device):
            tokens = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        return pictures, guides, tokens

    clock = Clock(args.minutes, args.steps, args.rate, start=args.start, warm=50)
    log = Log(os.path.join(args.out, "logs.jsonl"), "stage-2", 25)
    while clock.tick(optimizer):
        sides = LATE if args.fine or clock.done > 0.75 else EARLY
        side = sides[log.step % len(sides)]
        count = max(2, args.batch * 64 * 64 // side**2)
        picture, guide, tokens = examples(count, side)
        with torch.no_grad():
            level = torch.randint(MAX_NOISE_LEVEL + 1, (count,), device=device)
            level = torch.where(torch.rand(count, device=device) < 0.5, level // 4, level)  # the default is low
            guide = diffusion.add(guide, torch.randn_like(guide), level)
            t = torch.randint(1000, (count,), device=device)
            if args.fine:
                t = torch.where(torch.rand(count, device=device) < 0.6, t * 2 // 5, t)
            else:
                t = torch.where(torch.rand(count, device=device) < 0.4, 500 + t // 2, t)
            noisy, noise = diffusion.drifted(picture, torch.randn_like(picture), t, args.drift)
            noisy = torch.cat([noisy, guide], 1).contiguous(memory_format=torch.channels_last)
        with half_precision(device):
            output = unet(noisy, t, tokens, class_labels=level, return_dict=False)[0]
        error, bound = diffusion.losses(output, noise, t)
        weighted = (error * diffusion.weight[t]).mean()
        loss = weighted + 0.05 * bound.mean() + (error.mean() if args.fine else 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()
        log.add(count, noise=error.mean(), weighted=weighted, bound=bound.mean())
    average.swap()
    save_half(unet, os.path.join(weights, "stage-2.safetensors"))


if __name__ == "__main__":
    main()
