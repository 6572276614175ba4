"""Trains the upscaler's autoencoder on 128 px windows of 1024 px drawings and measures the scaling factor.

    python train_autoencoder.py --minutes 3 --out runs/demo
"""
import argparse
import json
import os

import torch
import torch.nn.functional as F

import draw
import networks
from data import Pool, edge_windows, painter
from training import Average, Clock, Log, half_precision, optimizer_for, save_half, setup


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--decoder-minutes", type=float, default=0.0, help="then train the decoder alone until then")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--pool", type=int, default=100000)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    args = parser.parse_args()
    device = setup(6)
    pool = Pool(args.tokenizers, args.pool, device, seed=6)
    vae = networks.autoencoder().to(device).to(memory_format=torch.channels_last)
    optimizer = optimizer_for([{"params": list(vae.parameters())}], args.rate, decay=1e-3)
    average = Average({"vae": vae}, 0.999 if not args.steps else 0.9)
    paint = painter(os.path.join(args.out, "glyphs.npy"), device, not args.no_compile)
    extent = args.window / 1024

    def windows(count):
        scene = draw.place(pool.batch(count)[0])
        return paint(scene, args.window, edge_windows(scene, extent), extent) * 2 - 1

    def encode_decode(picture):
        moments = vae.quant_conv(vae.encoder(picture))
        mean, log_variance = moments.float().chunk(2, 1)
        log_variance = log_variance.clamp(-12, 4)
        latents = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        return vae.decoder(vae.post_quant_conv(latents)), mean, log_variance

    run = encode_decode if args.no_compile else torch.compile(encode_decode, dynamic=False)
    clock = Clock(args.minutes, args.steps, args.rate)
    log = Log(os.path.join(args.out, "logs.jsonl"), "vae", 200 if not args.steps else max(1, args.steps // 4))
    while clock.tick(optimizer):
        with torch.no_grad():
            picture = windows(args.batch).contiguous(memory_format=torch.channels_last)
        with half_precision(device):
            result, mean, log_variance = run(picture)
        difference = result.float() - picture
        absolute, square = difference.abs().mean(), difference.square().mean()
        prior = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        loss = absolute + 2 * square + 1e-4 * prior
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        average.update()
        log.add(args.batch, absolute=absolute, square=square, prior=prior, gradient=norm)
    average.swap()
    with torch.no_grad():
        deviation = torch.cat([vae.encode(windows(args.batch)).latent_dist.mean for _ in range(4)]).std()
    path = os.path.join(args.out, "weights", "vae.safetensors")
    save_half(vae, path)
    with open(os.path.join(args.out, "weights", "vae.json"), "w") as file:
        json.dump({"scaling_factor": round(1 / deviation.item(), 5)}, file)
    print("scaling factor", 1 / deviation.item(), flush=True)
    if not args.decoder_minutes:
        return

    # The latents are fixed now (the upscaler trains on them); the decoder alone goes on, on latents with a little noise.
    def decode(latents):
        return vae.decoder(vae.post_quant_conv(latents))

    def encode(picture):
        return vae.quant_conv(vae.encoder(picture))[:, :4]

    run, first = (decode, encode) if args.no_compile else (torch.compile(f, dynamic=False) for f in (decode, encode))
    tail = torch.nn.ModuleList([vae.decoder, vae.post_quant_conv])
    optimizer = optimizer_for([{"params": list(tail.parameters())}], args.rate, decay=1e-3)
    average = Average({"decoder": tail}, 0.999 if not args.steps else 0.9)
    clock = Clock(args.decoder_minutes, args.steps, 0.6 * args.rate)
    log = Log(os.path.join(args.out, "logs.jsonl"), "vae-decoder", 200 if not args.steps else max(1, args.steps // 4))
    spread = 0.04 * deviation
    while clock.tick(optimizer):
        with torch.no_grad():
            picture = windows(args.batch).contiguous(memory_format=torch.channels_last)
            with half_precision(device):
                latents = first(picture).float()
            latents = latents + spread * torch.rand(args.batch, 1, 1, 1, device=device) * torch.randn_like(latents)
        with half_precision(device):
            result = run(latents)
        difference = result.float() - picture
        absolute, square = difference.abs().mean(), difference.square().mean()
        loss = absolute + 2 * square
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(tail.parameters(), 1.0)
        optimizer.step()
        average.update()
        log.add(args.batch, absolute=absolute, square=square, gradient=norm)
    average.swap()
    save_half(vae, path)


if __name__ == "__main__":
    main()
