"""Draws pictures for fresh prompts of the grammar with the trained cascade, for evaluate.py.

    python generate.py --count 512 --out runs/demo --to runs/demo/samples          # all three stages
    python generate.py --count 384 --only-stage-1 --guidance 1 2 4 --to ...        # Stage 1 with several settings
    python generate.py --count 128 --only-prompts --to ...                         # prompts.txt, for another program to draw
"""
import argparse
import json
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import captions
from cascade import DEFAULTS, Cascade, from_bytes, to_bytes

SHOWN = [
    "a large red circle left of a small blue star on a white background",
    "a red circle",
    'a white sign that says "cat"',
    'a red sign that says "7up" on a blue background',
    "a purple heart in neon style",
    "a small green triangle above a large orange diamond in pencil style",
    'a blue sign that says "open" in neon style',
    "a yellow star on a black background",
]


def test_set(count: int, seed: int = 99):
    rng = random.Random(seed)
    rows = [captions.sample_scene(rng, 0.4, 0.2) for _ in range(count)]
    return rows, [captions.caption(row, rng) for row in rows]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--only-stage-1", action="store_true")
    parser.add_argument("--only-prompts", action="store_true")
    parser.add_argument("--steps", nargs="*", default=[DEFAULTS["stage_1"]["steps"]])
    parser.add_argument("--guidance", nargs="*", type=float, default=[DEFAULTS["stage_1"]["guidance"]])
    parser.add_argument("--show", type=int, default=40, help="how many to keep at 1024 px")
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    parser.add_argument("--to", default="runs/demo/samples")
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    os.makedirs(args.to, exist_ok=True)
    rows, prompts = test_set(args.count)
    with open(os.path.join(args.to, "prompts.json"), "w") as file:
        json.dump({"rows": rows, "prompts": prompts, "shown": SHOWN}, file)
    if args.only_prompts:
        with open(os.path.join(args.to, "prompts.txt"), "w") as file:
            file.write("\n".join(prompts) + "\n")
        return
    cascade = Cascade(os.path.join(args.out, "weights"), args.tokenizers, device, torch.bfloat16 if device.type == "cuda" else None)
    generator = torch.Generator(device).manual_seed(0)
    began = time.time()

    def batches(texts):
        return [texts[i : i + args.batch] for i in range(0, len(texts), args.batch)]

    if args.only_stage_1:
        for steps in args.steps:
            for guidance in args.guidance:
                named = int(steps) if steps.isdigit() else steps
                made = [to_bytes(cascade.stage_1(part, generator, named, guidance)) for part in batches(prompts)]
                np.savez_compressed(os.path.join(args.to, f"stage-1_{steps}_{guidance}.npz"), pictures=np.concatenate(made))
                print(steps, guidance, round(time.time() - began, 1), flush=True)
        return
    small, middle, large, kept = [], [], [], 0
    for part in batches(SHOWN + prompts):
        first = to_bytes(cascade.stage_1(part, generator, **DEFAULTS["stage_1"]))
        second = to_bytes(cascade.stage_2(part, from_bytes(first, device), generator, **DEFAULTS["stage_2"]))
        small.append(first)
        middle.append(second)
        for i in range(0, len(part), 16):
            picture = from_bytes(second[i : i + 16], device)
            big = cascade.upscale(part[i : i + 16], picture, generator, **DEFAULTS["upscaler"])
            large.append(to_bytes(F.avg_pool2d(big, 4), centred=False))
            for one in to_bytes(big[: max(0, args.show - kept)], centred=False):
                Image.fromarray(one).save(os.path.join(args.to, f"{kept:03d}.png"))
                kept += 1
        print(sum(map(len, small)), round(time.time() - began, 1), flush=True)
        np.savez_compressed(os.path.join(args.to, "cascade.npz"), small=np.concatenate(small), middle=np.concatenate(middle),
                            large=np.concatenate(large))


if __name__ == "__main__":
    main()
