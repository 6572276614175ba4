"""Second training of Stage 1, short enough for a CPU: where things go, and colours that follow the text.

Runs after refine_text.py.  Most samples are very noisy and hold wrong colours or no picture at all (GaussianDiffusion.drifted),
which is how sampling begins: there only the text can tell what to draw.  By default only the attention layers and the
projections of the text learn.

    python refine_stage_1.py --minutes 60 --out runs/demo
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

# attention, the text's and the time's projections, and everything that works on 16x16 and 8x8 pixels: cheap, and where
# composition is decided
LEARNING = ["attentions", "embedding", "encoder_hid", "down_blocks.2", "down_blocks.3", "mid_block", "up_blocks.0", "up_blocks.1"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--pool", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=40)
    parser.add_argument("--lettering", type=float, default=0.12)
    parser.add_argument("--high", type=float, default=0.75, help="share of very noisy samples")
    parser.add_argument("--all", action="store_true", help="train every weight")
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    args = parser.parse_args()
    device = setup(args.seed)
    pool = Pool(args.tokenizers, args.pool, device, seed=args.seed, lettering=args.lettering)
    weights = os.path.join(args.out, "weights")
    encoder = load_half(networks.text_encoder(), os.path.join(weights, "t5.safetensors")).to(device).requires_grad_(False)
    path = os.path.join(weights, "stage-1.safetensors")
    unet = load_half(networks.unet(networks.STAGE_1), path).to(device).to(memory_format=torch.channels_last)
    named = dict(unet.named_parameters())
    learning = [p for n, p in named.items() if args.all or any(part in n for part in LEARNING)]
    for p in named.values():
        p.requires_grad_(False)
    for p in learning:
        p.requires_grad_(True)
    print(sum(p.numel() for p in learning), "weights learn", flush=True)
    optimizer = optimizer_for([{"params": learning}], args.rate, decay=0.0)
    average = Average({"stage-1": unet}, 0.99)
    diffusion = GaussianDiffusion(networks.ddpm(networks.STAGE_1_SCHEDULER), device, heaviest=300.0)
    paint = painter(os.path.join(args.out, "glyphs.npy"), device, False)
    clock = Clock(args.minutes, args.steps, args.rate, warm=30)
    log = Log(os.path.join(args.out, "logs.jsonl"), "stage-1-refined", 25)
    ready = []
    while clock.tick(optimizer):
        if not ready:
            attributes, ids, mask = pool.batch(4 * args.batch, empty_share=0.1)
            with torch.no_grad():
                pictures = F.avg_pool2d(paint(draw.place(attributes), 128), 2) * 2 - 1
                tokens = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            ready = list(zip(*(v.split(args.batch) for v in (attributes, pictures, tokens))))
        attributes, picture, tokens = ready.pop()
        with torch.no_grad():
            t = torch.randint(1000, (args.batch,), device=device)
            high = torch.rand(args.batch, device=device) < args.high
            t = torch.where(high, 880 + (torch.rand(args.batch, device=device) * 112).long(), t)
            noisy, target = diffusion.drifted(picture, torch.randn_like(picture), t, 1.0)
            noisy = noisy.contiguous(memory_format=torch.channels_last)
        with half_precision(device):
            output = unet(noisy, t, tokens, return_dict=False)[0]
        error, bound = diffusion.losses(output, target, t)
        ratio = (diffusion.noise[t] / diffusion.signal[t]).square()
        gap = error * ratio.clamp(max=400)  # squared error of the picture the output stands for
        loss = (gap * high).mean() + (error * diffusion.weight[t] * ~high).mean() * 4 + 0.1 * (bound * ~high).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        average.update()
        two = high & (attributes[:, COLUMN["kind"]] == 1)
        log.add(args.batch, high=(gap * high).sum() / high.sum().clamp(min=1), two=(gap * two).sum() / two.sum().clamp(min=1),
                rest=(error * ~high).sum() / (~high).sum().clamp(min=1), gradient=norm)
        if log.step % 100 == 0:
            average.swap()
            save_half(unet, path + ".part")
            os.replace(path + ".part", path)
            average.swap()
    average.swap()
    save_half(unet, path)


if __name__ == "__main__":
    main()
