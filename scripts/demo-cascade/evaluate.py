"""How often do the pictures show what their prompts say?  Draws fresh prompts at 64 px and asks the checker, which never sees
the prompts; the same questions about drawings of the same scenes say how well the checker reads.

    python evaluate.py --out runs/demo --count 1024
    python evaluate.py --folder pictures --prompts prompts.json     # 000.png, ... that another program drew, for --write-prompts
"""
import argparse
import json
import os
import random

import numpy as np
import torch
from PIL import Image

import networks
import scenes
from checker import Checker, answers
from compose import Composer, load_sprites
from sampling import sample_stage_1, sheet
from scenes import COLUMN, FIRST_THING, LONGEST, ONE, SIGN, TWO
from training import add_shared_options, load_half


def single_things(things, rng):
    """One row and prompt for every thing, by any of its names, in a random look."""
    rows, prompts = [], []
    for i in range(len(things)):
        while True:
            row = scenes.sample(rng, things)
            if row[COLUMN["kind"]] == ONE and row[COLUMN["object_a"]] >= FIRST_THING and row[COLUMN["size_a"]] != 1:
                break
        row[COLUMN["object_a"]], row[COLUMN["colour_a"]] = FIRST_THING + i, -1
        rows.append(row)
        prompts.append(scenes.unmark(scenes.caption(row, rng, things))[0])
    return rows, prompts


def any_scenes(things, rng, count):
    rows = [scenes.sample(rng, things) for _ in range(count)]
    return rows, [scenes.unmark(scenes.caption(row, rng, things))[0] for row in rows]


@torch.no_grad()
def judge(model, pictures, rows):
    """{question: [right?]} for pictures (N,3,64,64) in [-1,1]."""
    seen = {name: [] for name in model.heads}
    for part in pictures.split(256):
        for name, logits in model(part).items():
            seen[name].append(logits.argmax(1))
    seen = {name: torch.cat(parts) for name, parts in seen.items()}
    rows = torch.as_tensor(rows, device=pictures.device)
    wanted = answers(rows)
    hit = {name: seen[name] == wanted[name] for name in wanted if name in seen}
    kind, a, b = (wanted[name] for name in ("kind", "object_a", "object_b"))
    either = rows[:, COLUMN["relation"]] < 0  # "a and b" may stand either way round
    turned = (seen["object_a"] == b) & (seen["object_b"] == a) & either
    thing, one, two = a >= FIRST_THING, kind == ONE, kind == TWO
    letters = torch.stack([hit[f"letter_{i}"] | (wanted[f"letter_{i}"] < 0) for i in range(2 * LONGEST)]).all(0)
    signed = (a == SIGN) | (b == SIGN)
    plain = one & (a < SIGN)
    told = rows[:, COLUMN["ground_told"]] > 0
    return {
        "single thing": hit["object_a"][one & thing], "shape": hit["object_a"][plain], "colour of one": hit["colour_a"][one & (wanted["colour_a"] >= 0)],
        "both of two": (hit["object_a"] & hit["object_b"] | turned)[two],
        "both colours": (hit["colour_a"] & hit["colour_b"])[two & (wanted["colour_a"] >= 0) & (wanted["colour_b"] >= 0) & ~either],
        "beside or above": hit["relation"][two & ~either], "number": hit["count"][kind == 2], "its object": hit["object_a"][kind == 2],
        "look": hit["style"], "ground told": hit["ground"][told],
        "whole text, alone": (letters & hit["length_0"] & hit["length_1"])[signed & one],
        "of one line": (letters & hit["length_0"] & hit["length_1"])[signed & one & (wanted["length_1"] == 0)],
        "whole word, beside something": (letters & hit["length_0"])[signed & two],
    }


def table(results):
    """Markdown: a line per question, a column per source."""
    names = list(results)
    lines = [f"| question | {' | '.join(names)} | asked |", "| --- " * (len(names) + 2) + "|"]
    for question in results[names[0]]:
        marks = [results[name][question].float() for name in names]
        lines.append(f"| {question} | " + " | ".join(f"{100 * m.mean().item():.1f} %" for m in marks) + f" | {len(marks[0])} |")
    return "\n".join(lines)


def read_folder(folder, count, device):
    pictures = [Image.open(os.path.join(folder, f"{i:03d}.png")).convert("RGB") for i in range(count)]
    pictures = [np.asarray(p.resize((64, 64), Image.BOX) if p.width != 64 else p) for p in pictures]
    return torch.from_numpy(np.stack(pictures)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--guidance", nargs="*", type=float, default=[2.5])
    parser.add_argument("--steps", nargs="*", default=["smart27_timesteps"])
    parser.add_argument("--folder")
    parser.add_argument("--write-prompts", help="only writes this JSON file, and the prompts beside it as .txt")
    parser.add_argument("--prompts")
    parser.add_argument("--singles", type=int, default=1)
    add_shared_options(parser, "side", "things", "tokenizers", "out")
    args = parser.parse_args()
    things, rng = scenes.load_things(args.things), random.Random(99)
    if args.prompts:
        with open(args.prompts) as file:
            kept = json.load(file)
        rows, prompts = kept["rows"], kept["prompts"]
    else:
        rows, prompts = any_scenes(things, rng, args.count)
        for _ in range(args.singles):
            more = single_things(things, rng)
            rows, prompts = rows + more[0], prompts + more[1]
    if args.write_prompts:
        with open(args.write_prompts, "w") as file:
            json.dump({"rows": rows, "prompts": prompts}, file)
        with open(args.write_prompts.removesuffix(".json") + ".txt", "w") as file:
            file.write("\n".join(prompts) + "\n")
        return
    looks = load_sprites(args.things, args.side)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    weights = os.path.join(args.out, "weights")
    model = load_half(Checker(len(things)), os.path.join(weights, "checker.safetensors")).to(device).eval()
    composer = Composer(args.things, device, looks)
    parts = torch.tensor(rows, device=device).split(256)
    results = {"drawn": judge(model, torch.cat([composer.small(composer.place(part)) for part in parts]), rows)}
    if args.folder:
        results[args.folder] = judge(model, read_folder(args.folder, len(rows), device), rows)
        print(table(results))
        return
    unet = load_half(networks.unet(networks.STAGE_1), os.path.join(weights, "stage-1.safetensors")).to(device).eval()
    encoder = load_half(networks.text_encoder(), os.path.join(weights, "t5.safetensors")).to(device)
    for steps in args.steps:
        for guidance in args.guidance:
            made = torch.cat([sample_stage_1(unet, encoder, args.tokenizers, device, prompts[i : i + args.batch], guidance, steps, i)
                              for i in range(0, len(prompts), args.batch)])
            results[f"{steps.removesuffix('_timesteps')}, {guidance}"] = judge(model, made, rows)
            print(table(results), flush=True)
            sheet(made[: 8 * 24], os.path.join(args.out, "samples", f"evaluated-{guidance}.png"), 24, prompts)


if __name__ == "__main__":
    main()
