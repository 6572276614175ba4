"""Trains Stage 1 (64 px) and, unless --freeze-text, the T5 encoder with it.

    python train_stage_1.py --minutes 14 --out runs/demo --freeze-text
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=9.5)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--pool", type=int, default=1200000)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--freeze-text", action="store_true")
    parser.add_argument("--start", type=float, default=1.0, help="height on the cosine at which to begin")
    parser.add_argument("--floor", type=float, default=0.02)
    parser.add_argument("--keep-every", type=int, default=0, help="also save the averaged weights every so many steps")
    parser.add_argument("--drift", type=float, default=0.0, help="train against wrong colours in the noisy picture")
    parser.add_argument("--every", type=int, default=250)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    args = parser.parse_args()
    device = setup(2 + args.resume)
    pool = Pool(args.tokenizers, args.pool, device, seed=2 + args.resume)
    weights = os.path.join(args.out, "weights")
    encoder = load_half(networks.text_encoder(), os.path.join(weights, "t5.safetensors")).to(device)
    unet = networks.unet(networks.STAGE_1).to(device).to(memory_format=torch.channels_last)
    if args.resume:
        load_half(unet, os.path.join(weights, "stage-1.safetensors"))
    encoder.requires_grad_(not args.freeze_text)
    trained = {"stage-1": unet} | ({} if args.freeze_text else {"t5": encoder})
    groups = [{"params": list(unet.parameters())}]
    if not args.freeze_text:
        groups.append({"params": list(encoder.parameters()), "scale": 0.4})
    optimizer = optimizer_for(groups, args.rate)
    average = Average(trained, 0.999 if not args.steps else 0.9)
    diffusion = GaussianDiffusion(networks.ddpm(networks.STAGE_1_SCHEDULER), device, heaviest=150.0 if args.drift else 12.0)
    paint = painter(os.path.join(args.out, "glyphs.npy"), device, not args.no_compile)
    predict = unet if args.no_compile else torch.compile(unet, dynamic=False)

    @torch.no_grad()
    def prepared():
        """Batches without end; drawn and encoded eight at a time, which keeps the GPU busier."""
        while True:
            attributes, ids, mask = pool.batch(8 * args.batch, empty_share=0.1)
            pictures = F.avg_pool2d(paint(draw.place(attributes), 256), 4) * 2 - 1
            tokens = None
            if args.freeze_text:
                with half_precision(device):
                    tokens = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            for i in range(0, 8 * args.batch, args.batch):
                part = slice(i, i + args.batch)
                yield attributes[part], ids[part], mask[part], pictures[part], None if tokens is None else tokens[part]

    clock = Clock(args.minutes, args.steps, args.rate, start=args.start, floor=args.floor)
    log = Log(os.path.join(args.out, "logs.jsonl"), "stage-1", args.every if not args.steps else max(1, args.steps // 4))
    for attributes, ids, mask, picture, tokens in prepared():
        if not clock.tick(optimizer):
            break
        with torch.no_grad():
            noise = torch.randn_like(picture)
            t = torch.randint(1000, (args.batch,), device=device)
            if args.drift:
                t = torch.where(torch.rand(args.batch, device=device) < 0.6, 600 + t * 2 // 5, t)
                noisy, noise = diffusion.drifted(picture, noise, t, args.drift)
            else:
                noisy = diffusion.add(picture, noise, t)
            noisy = noisy.contiguous(memory_format=torch.channels_last)
        with half_precision(device):
            if tokens is None:
                tokens = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            output = predict(noisy, t, tokens, return_dict=False)[0]
        error, bound = diffusion.losses(output, noise, t)
        lettering = (attributes[:, COLUMN["kind"]] == 2).float()
        loss = (error * diffusion.weight[t] * (1 + 0.5 * lettering)).mean() + 0.3 * bound.mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained["stage-1"].parameters(), 1.0)
        if not args.freeze_text:
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        average.update()
        if args.keep_every and log.step % args.keep_every == args.keep_every - 1:
            average.swap()
            save_half(unet, os.path.join(weights, "stage-1-kept.safetensors"))
            average.swap()
        late = (t > 500).float()
        log.add(args.batch, noise=error.mean(), noisy_half=(error * late).sum() / late.sum().clamp(min=1), lettering=(error * lettering).sum() / lettering.sum().clamp(min=1),
                bound=bound.mean(), gradient=norm)
    average.swap()
    for name, module in trained.items():
        save_half(module, os.path.join(weights, f"{name}.safetensors"))


if __name__ == "__main__":
    main()
