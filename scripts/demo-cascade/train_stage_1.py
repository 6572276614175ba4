"""Trains Stage 1 (64 px) with the finished T5 encoder.

    python train_stage_1.py --minutes 110 --out runs/demo
"""
import argparse
import os

import torch
import torch.nn.functional as F

import draw
import networks
from data import Pool, painter
from training import Average, Clock, GaussianDiffusion, Log, half_precision, load_half, optimizer_for, save_half, setup
from vocabulary import COLUMN


def thing_mask(picture):
    """(B,1,64,64): 1 on and near whatever is not the ground, which fills most of a picture and is learnt first."""
    differs = (picture - picture[:, :, :1, :1]).abs().amax(1, keepdim=True) > 0.1
    return F.max_pool2d(differs.float(), 5, 1, 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=110)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--muon", type=float, default=0.01)
    parser.add_argument("--pool", type=int, default=200000)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--start", type=float, default=1.0, help="height on the cosine at which to begin")
    parser.add_argument("--keep-every", type=int, default=100, help="save the averaged weights every so many steps")
    parser.add_argument("--drift", type=float, default=1.0, help="train against wrong colours in the noisy picture")
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    args = parser.parse_args()
    device = setup(2 + args.resume)
    pool = Pool(args.tokenizers, args.pool, device, seed=2 + args.resume)
    weights = os.path.join(args.out, "weights")
    encoder = load_half(networks.text_encoder(), os.path.join(weights, "t5.safetensors")).to(device).requires_grad_(False)
    unet = networks.pass_noise_through(networks.unet(networks.STAGE_1)).to(device).to(memory_format=torch.channels_last)
    if args.resume:
        load_half(unet, os.path.join(weights, "stage-1.safetensors"))
    optimizer = optimizer_for([unet], args.rate, args.muon)
    average = Average({"stage-1": unet}, 0.995)
    diffusion = GaussianDiffusion(networks.ddpm(networks.STAGE_1_SCHEDULER), device, heaviest=60.0)
    paint = painter(os.path.join(args.out, "glyphs.npy"), device, False)

    @torch.no_grad()
    def prepared():
        """Batches without end, drawn and encoded four at a time."""
        while True:
            attributes, ids, mask = pool.batch(4 * args.batch, empty_share=0.08)
            pictures = F.avg_pool2d(paint(draw.place(attributes), 128), 2) * 2 - 1
            with half_precision(device):
                tokens = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            for i in range(0, 4 * args.batch, args.batch):
                part = slice(i, i + args.batch)
                yield attributes[part], pictures[part], tokens[part]

    clock = Clock(args.minutes, args.steps, args.rate, start=args.start, warm=50)
    log = Log(os.path.join(args.out, "logs.jsonl"), "stage-1", 25)
    for attributes, picture, tokens in prepared():
        if not clock.tick(optimizer):
            break
        with torch.no_grad():
            t = torch.randint(1000, (args.batch,), device=device)
            # layout, colours and letters are decided while there is much noise
            t = torch.where(torch.rand(args.batch, device=device) < 0.5, 500 + t // 2, t)
            noisy, noise = diffusion.drifted(picture, torch.randn_like(picture), t, args.drift)
            noisy = noisy.contiguous(memory_format=torch.channels_last)
        with half_precision(device):
            output = unet(noisy, t, tokens, return_dict=False)[0]
        error, bound = diffusion.losses(output, noise, t)
        lettering = (attributes[:, COLUMN["kind"]] == 2).float()
        weighted = error * diffusion.weight[t]
        things = ((output[:, :3].float() - noise).square() * thing_mask(picture)).mean((1, 2, 3)) * diffusion.weight[t]
        loss = (weighted + 4 * things).mean() + 0.05 * bound.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()
        if log.step % args.keep_every == args.keep_every - 1:
            average.swap()
            save_half(unet, os.path.join(weights, "stage-1.safetensors"))
            average.swap()
        late = (t > 500).float()
        log.add(args.batch, noise=error.mean(), weighted=weighted.mean(), things=things.mean(),
                noisy_half=(weighted * late).sum() / late.sum().clamp(min=1),
                lettering=(weighted * lettering).sum() / lettering.sum().clamp(min=1), bound=bound.mean())
    average.swap()
    save_half(unet, os.path.join(weights, "stage-1.safetensors"))


if __name__ == "__main__":
    main()
