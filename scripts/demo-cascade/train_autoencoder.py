"""Trains the upscaler's autoencoder on windows of 1024 px drawings and measures the scaling factor.

Group normalisation sees a whole window at once, so windows of 128 px take turns with large ones: small ones alone teach
outlines quickly, and leave wrong colours on a large flat ground.  With --only-decoder latents stay as they are, so that the
upscaler can be trained at the same time.

    python train_autoencoder.py --minutes 20 --out runs/demo
"""
import argparse
import json
import os

import torch
import torch.nn.functional as F

import networks
from compose import Composer, load_sprites
from data import Pool, edge_windows
from rings import GEOMETRY, Ring, canvases, cut
from training import Average, Clock, Log, half_precision, load_half, optimizer_for, save_half, setup


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=64, help="windows of 128 px, or a sixteenth of 512 px")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--muon", type=float, default=0.01)
    parser.add_argument("--near", type=float, default=1.0, help="weight of latents being near the small picture's colours")
    parser.add_argument("--jitter", type=float, default=0.04, help="noise on the latents that the decoder must bear")
    parser.add_argument("--pool", type=int, default=100000)
    parser.add_argument("--ring", type=int, default=2000, help="drawn pictures that wait on the GPU, 3.1 MB each")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--only-decoder", action="store_true")
    parser.add_argument("--start", type=float, default=1.0, help="height on the cosine at which to begin")
    parser.add_argument("--side", type=int, default=384, help="of the drawings, pixels")
    parser.add_argument("--things", default="things")
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    args = parser.parse_args()
    looks = load_sprites(args.things, args.side)
    pool = Pool(args.tokenizers, args.things, args.pool, "cpu", 6 + args.resume)
    device = setup(6 + args.resume)
    pool.to(device)
    vae = networks.autoencoder()
    if args.resume:
        load_half(vae, os.path.join(args.out, "weights", "vae.safetensors"))
    vae = vae.to(device).to(memory_format=torch.channels_last)
    trained = [vae.post_quant_conv, vae.decoder] if args.only_decoder else [vae]
    optimizer = optimizer_for(trained, args.rate, args.muon)
    average = Average({"vae": vae}, 0.995 if not args.steps else 0.9)
    composer = Composer(args.things, device, looks)

    def windows(count, side):
        pick = ring.pick(count)
        corner = edge_windows({name: ring.held[name][pick] for name in GEOMETRY}, side / 1024, side / 1024)
        picture = cut(ring.held["picture"], pick, (corner * 1024).round().long(), side)
        return picture.contiguous(memory_format=torch.channels_last)

    ring = Ring(canvases(pool.pick, pool.rows, composer, 1024, lambda scene: composer.paint(scene, 1, 1, 1) * 2 - 1),
                args.ring, min(16, args.ring))
    print("ring filled", flush=True)
    clock = Clock(args.minutes, args.steps, args.rate, start=args.start, until=os.path.join(args.out, "until-vae"))
    log = Log(os.path.join(args.out, "logs.jsonl"), "vae", 50)
    while clock.tick(optimizer):
        side = (128, 512)[log.step % 2]
        if log.step % 4 == 0:
            ring.renew(min(16, args.ring))
        picture = windows(max(1, args.batch * 128 * 128 // side**2), side)
        with half_precision(device):
            with torch.set_grad_enabled(not args.only_decoder):
                mean, log_variance = vae.quant_conv(vae.encoder(picture)).float().chunk(2, 1)
            log_variance = log_variance.clamp(-12, 4)
            spread = (0.5 * log_variance).exp() + args.jitter
            result = vae.decoder(vae.post_quant_conv(mean + spread * torch.randn_like(mean)))
        difference = result.float() - picture
        absolute, square = difference.abs().mean(), difference.square().mean()
        # Three latents are held near the colours of the small picture, which the upscaler is given: its work stays local.
        gap = (mean[:, :3] - F.avg_pool2d(picture, 4)).square().mean()
        prior = (log_variance.exp() - log_variance).mean() + 10 * mean[:, 3].square().mean()
        loss = absolute + 2 * square + args.near * gap + 1e-4 * prior
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()
        log.add(len(picture), absolute=absolute, square=square, gap=gap, prior=prior)
    average.swap()
    save_half(vae, os.path.join(args.out, "weights", "vae.safetensors"))
    if not args.only_decoder:
        with torch.no_grad():
            deviation = torch.cat([vae.encode(windows(1, 512)).latent_dist.mean for _ in range(8)]).std()
        with open(os.path.join(args.out, "weights", "vae.json"), "w") as file:
            json.dump({"scaling_factor": round(1 / deviation.item(), 5)}, file)


if __name__ == "__main__":
    main()
