"""Trains the upscaler's autoencoder on windows of 1024 px drawings and measures the scaling factor.

Group normalisation sees a whole window at once, so windows of 128 px take turns with large ones: small ones alone teach
outlines quickly, and leave wrong colours on a large flat ground.  With --only-decoder latents stay as they are, so that the
upscaler can be trained at the same time.

The encoder marks in its latents where a picture ends, since it pads with zeros, and the upscaler writes these marks inexactly.
With --borders the decoder learns, on whole pictures too, to need none: it is given anything between latents with marks and
latents of a picture that goes on.

    python train_autoencoder.py --minutes 20 --out runs/demo
    python train_autoencoder.py --minutes 8 --resume --only-decoder --borders --rate 5e-4 --muon 2e-3
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
from scenes import COLUMN
from training import Average, Clock, Log, add_shared_options, half_precision, load_half, optimizer_for, save_half, setup
from vocabulary import COLOURS


BEYOND = 64  # pixels that a picture goes on for, enough for what one latent sees


def encode(vae, picture):
    """(mean, log variance) of the latents."""
    mean, log_variance = vae.quant_conv(vae.encoder(picture)).float().chunk(2, 1)
    return mean, log_variance.clamp(-12, 4)


def with_fainter_borders(vae, picture, mean):
    """Latents whose marks of borders are as they are, fainter, gone, or too strong, each picture's by chance."""
    margin = BEYOND // 4
    beyond = F.pad(picture, (BEYOND,) * 4, mode="replicate").contiguous(memory_format=torch.channels_last)
    unmarked = encode(vae, beyond)[0][:, :, margin:-margin, margin:-margin]
    share = (torch.rand(len(mean), 1, 1, 1, device=mean.device) * 1.8 - 0.4).clamp(0, 1.2)
    return unmarked + share * (mean - unmarked)


def with_any_ground(rows):
    """Half of the scenes on a ground of any colour: most are on white, where borders are seen least."""
    turned = rows.clone()
    told = torch.rand(len(rows), device=rows.device) < 0.5
    turned[told, COLUMN["ground_told"]] = 1
    turned[told, COLUMN["ground"]] = torch.randint(len(COLOURS), (int(told.sum()),), device=rows.device).to(rows.dtype)
    return turned


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--batch", type=int, default=64, help="windows of 128 px, or a sixteenth of 512 px")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--muon", type=float, default=0.01)
    parser.add_argument("--near", type=float, default=1.0, help="weight of latents being near the small picture's colours")
    parser.add_argument("--jitter", type=float, default=0.04, help="noise on the latents that the decoder must bear")
    parser.add_argument("--pool", type=int, default=100000)
    parser.add_argument("--ring", type=int, default=2000, help="drawn pictures that wait on the GPU, 3.1 MB each")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--only-decoder", action="store_true")
    parser.add_argument("--borders", action="store_true", help="with --only-decoder: borders that the latents do not mark, and whole pictures")
    add_shared_options(parser, "steps", "start", "side", "things", "tokenizers", "out")
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

    rows = with_any_ground(pool.rows) if args.borders else pool.rows
    ring = Ring(canvases(pool.pick, rows, composer, 1024, lambda scene: composer.paint(scene, 1, 1, 1) * 2 - 1),
                args.ring, min(16, args.ring))
    print("ring filled", flush=True)
    clock = Clock(args.minutes, args.steps, args.rate, start=args.start, until=os.path.join(args.out, "until-vae"))
    log = Log(os.path.join(args.out, "logs.jsonl"), "vae", 50)
    sides = (128, 512, 1024, 1024) if args.borders else (128, 512)
    while clock.tick(optimizer):
        side = sides[log.step % len(sides)]
        if log.step % 4 == 0:
            ring.renew(min(16, args.ring))
        picture = windows(max(1, args.batch * 128 * 128 // side**2), side)
        with half_precision(device):
            with torch.set_grad_enabled(not args.only_decoder):
                mean, log_variance = encode(vae, picture)
                if args.borders:
                    mean = with_fainter_borders(vae, picture, mean)
            spread = (0.5 * log_variance).exp() + args.jitter
            result = vae.decoder(vae.post_quant_conv(mean + spread * torch.randn_like(mean)))
        difference = result.float() - picture
        weight = torch.ones_like(difference[:1, :1])
        if args.borders:  # they are few among all pixels
            weight[:, :, 8:-8, 8:-8] = 1 / 3
        weight = weight / weight.mean()
        absolute, square = (difference.abs() * weight).mean(), (difference.square() * weight).mean()
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
