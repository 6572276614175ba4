"""Which scheduler draws what is asked, in how many steps?  First the prompts, then, of what if-gen drew of them, a table.

    python samplers.py prompts prompts.json --count 16
    node ../../build/scripts/measure/samplers.js prompts.json drawn
    python samplers.py table prompts.json drawn

The prompts have one thing or a sign, in flat or neon style, drawn at 64 px.  Colours and letters are read as in evaluate.py,
without a network; grain is the standard deviation of the ground along the border, of 255.
"""
import argparse
import json
import os
import random

import numpy as np

import glyphs
from captions import caption, sample_scene
from evaluate import DARK, FLAT_COLOURS, LetterReader, nearest, read_folder, regions, sign_colour
from vocabulary import COLUMN


def choose(count):
    rng, rows = random.Random(64), []
    while len(rows) < count:
        row = sample_scene(rng)
        if row[COLUMN["kind"]] != 1 and row[COLUMN["style"]] != 2:
            rows.append([int(value) for value in row])
    return rows, [caption(row, rng) for row in rows]


def judge(pictures, rows, reader):
    """(right answers, questions, mean grain)"""
    right, grain = [], []
    for pixels, row in zip(pictures, rows):
        picture, style = pixels.astype(np.float64) / 255, row[COLUMN["style"]]
        ground, found = regions(picture, style)
        border = np.concatenate([picture[:2].reshape(-1, 3), picture[:, :2].reshape(-1, 3), picture[:, -2:].reshape(-1, 3)])
        grain.append(np.median(np.abs(border - ground)) * 1.4826 * 255)  # the corner with the watermark does not count
        if style == 0:
            right.append(nearest(ground, FLAT_COLOURS) == row[COLUMN["background"]])
        else:
            right.append(np.abs(ground - DARK).max() < 0.1)
        if row[COLUMN["kind"]] == 2:
            count = row[COLUMN["letters"]]
            right.append(sign_colour(picture, style) == row[COLUMN["sign"]])
            right.append(reader(pixels, count) == row[COLUMN["letter_0"] :][:count])
        else:
            right.append(bool(found) and found[0][2] == row[COLUMN["colour_a"]])
    return sum(map(bool, right)), len(right), float(np.mean(grain))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["prompts", "table"])
    parser.add_argument("prompts")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--glyphs", default="glyphs.npy")
    args = parser.parse_args()
    if args.what == "prompts":
        rows, prompts = choose(args.count)
        with open(args.prompts, "w", encoding="utf-8") as file:
            json.dump({"rows": rows, "prompts": prompts}, file)
        return
    with open(args.prompts, encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    reader = LetterReader(glyphs.load(args.glyphs))
    print("| scheduler | steps | calls | right | grain |\n| --- | ---: | ---: | ---: | ---: |")
    for name in sorted(os.listdir(args.folder)):
        folder = os.path.join(args.folder, name)
        with open(os.path.join(folder, "calls.json"), encoding="utf-8") as file:
            calls = json.load(file)["calls"]
        right, asked, grain = judge(read_folder(folder), rows, reader)
        scheduler, steps = name.rsplit("-", 1)
        print(f"| {scheduler} | {steps} | {calls} | {right} of {asked} | {grain:.1f} |")


if __name__ == "__main__":
    main()
