"""How often do the cascade's pictures show what their prompts say?  Reads what generate.py wrote, or folders of PNGs named
by their prompts' places (000.png, ...), such as if-gen's, and compares these with those of the first such folder.

Colours are read by region: the ground along the border, things as connected regions that differ from it, each by the
nearest colour of the palette.  Letters are compared with the font's; shapes, sizes and the number of letters are read by the
checker (checker.py).  None of them sees the prompt.

    python evaluate.py --samples runs/demo/samples --weights runs/demo/weights
"""
import argparse
import json
import os

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy import ndimage

import checker
import glyphs
from draw import SIGN_HALF_WIDTH, TEXT_MARGIN
from vocabulary import CLASSES, COLUMN, FLAT, NEON, NEON_GROUND, PAPER, PENCIL_WASH, STYLES

FLAT_COLOURS, NEON_COLOURS = np.array(FLAT) / 255, np.array(NEON) / 255
PAPER_COLOUR, DARK = np.array(PAPER) / 255, np.array(NEON_GROUND) / 255
WASH = PAPER_COLOUR + PENCIL_WASH * (FLAT_COLOURS - PAPER_COLOUR)
PALETTES = [FLAT_COLOURS, NEON_COLOURS, WASH]


def nearest(pixels, palette):
    return np.linalg.norm(pixels[..., None, :] - palette, axis=-1).argmin(-1)


def vote(pixels, palette):
    return np.bincount(nearest(pixels, palette), minlength=len(palette)).argmax() if len(pixels) else -1


def regions(picture, style):
    """(ground colour, [(centre y, centre x, colour index)] of up to two regions, largest first, from top left)."""
    size = picture.shape[0]
    edge = max(1, size // 64)
    border = np.concatenate([picture[:edge].reshape(-1, 3), picture[-edge:].reshape(-1, 3),
                             picture[:, :edge].reshape(-1, 3), picture[:, -edge:].reshape(-1, 3)])
    ground = np.median(border, 0)
    differs = np.abs(picture - ground).max(-1)
    mask = ndimage.binary_closing(differs > (0.3 if style == 1 else 0.12), iterations=max(1, size // 128))
    labels, count = ndimage.label(mask)
    found = []
    sizes = ndimage.sum(mask, labels, range(1, count + 1))
    for label in np.argsort(-np.asarray(sizes))[:2] + 1 if count else []:
        part = labels == label
        if part.sum() < 0.004 * size * size:
            continue
        if style == 1:
            strongest = part & (differs >= np.quantile(differs[part], 0.6))
            colour = vote(picture[strongest], NEON_COLOURS)
        else:
            filled = ndimage.binary_fill_holes(part) if style == 2 else part
            inner = ndimage.binary_erosion(filled, iterations=max(1, size // (48 if style == 2 else 128)))
            colour = vote(picture[inner if inner.any() else filled], PALETTES[style])
        found.append((*ndimage.center_of_mass(part), colour))
    return ground, found


def sign_colour(picture, style):
    """The most frequent palette colour inside the board's outline."""
    size = picture.shape[0]
    box = picture[int(0.36 * size) : int(0.64 * size), int(0.2 * size) : int(0.8 * size)].reshape(-1, 3)
    if style == 1:
        bright = np.abs(box - DARK).max(-1)
        return vote(box[bright >= np.quantile(bright, 0.85)], NEON_COLOURS)
    return vote(box, PALETTES[style])


class LetterReader:
    """Reads the letters of a sign by comparing its cells with every glyph, wherever the sign sits within its jitter."""

    SIZE = 256

    def __init__(self, atlas):
        self.templates = {}
        for count in range(1, 5):
            cell = (2 * float(SIGN_HALF_WIDTH[count]) - 2 * TEXT_MARGIN) / count
            pixels = cell * self.SIZE
            width, height = round(pixels * 1.02), round(pixels * (glyphs.CELL_HEIGHT + 0.04))
            ys = (torch.arange(height) + 0.5 - height / 2) / pixels + glyphs.CELL_HEIGHT / 2 + glyphs.MARGIN
            xs = (torch.arange(width) + 0.5 - width / 2) / pixels + 0.5 + glyphs.MARGIN
            grid = torch.stack(torch.meshgrid(xs / (atlas.shape[2] / glyphs.RESOLUTION), ys / (atlas.shape[1] / glyphs.RESOLUTION),
                                              indexing="xy"), -1) * 2 - 1
            field = torch.nn.functional.grid_sample(torch.as_tensor(atlas)[:, None], grid.expand(36, -1, -1, -1), align_corners=False)
            ink = (0.5 - field * pixels).clamp(0, 1)
            ink = ink - ink.mean((2, 3), keepdim=True)
            self.templates[count] = (pixels, ink / ink.square().sum((2, 3), keepdim=True).sqrt())

    def __call__(self, picture, count):
        """uint8 (H,W,3) -> `count` letter indices."""
        gray = torch.from_numpy(picture.astype(np.float32) @ np.array([0.3, 0.59, 0.11], np.float32))[None, None] / 255
        if picture.shape[0] != self.SIZE:
            gray = torch.nn.functional.interpolate(gray, size=(self.SIZE, self.SIZE), mode="bilinear", antialias=True)
        pixels, templates = self.templates[count]
        height, width = templates.shape[2:]
        scores = []
        for k in range(count):
            left = round(self.SIZE / 2 + (k - count / 2 + 0.5) * pixels - width / 2) - 6
            top = round(self.SIZE / 2 - height / 2) - 14
            patch = gray[:, :, top : top + height + 28, max(left, 0) : left + width + 12]
            patch = torch.nn.functional.pad(patch, (max(-left, 0), 0, 0, 0), mode="replicate")
            fit = torch.nn.functional.conv2d(patch, templates, stride=1)[0]
            ones = torch.full((1, 1, height, width), 1 / (height * width))
            mean, square = (torch.nn.functional.conv2d(v, ones)[0, 0] for v in (patch, patch.square()))
            scores.append(fit / ((square - mean.square()).clamp(min=1e-5) * height * width).sqrt())
        best = None
        for sign in (1, -1):  # dark on light or light on dark
            tops = [(sign * s).amax(0) for s in scores]
            shape = (min(t.shape[0] for t in tops), min(t.shape[1] for t in tops))
            total = sum(t[: shape[0], : shape[1]] for t in tops)
            value, where = total.flatten().max(0)
            if best is None or value > best[0]:
                best = (value, sign, divmod(int(where), shape[1]))
        _, sign, (y, x) = best
        return [int((sign * s[:, y, x]).argmax()) for s in scores]


def judge(pictures, rows, model, reader):
    """{question: list of (style, right?)} for uint8 pictures (N,H,W,3)."""
    attributes = checker.canonical(torch.tensor(rows))
    size = pictures.shape[1]
    small = pictures if size == 64 else torch.nn.functional.avg_pool2d(
        torch.from_numpy(pictures).permute(0, 3, 1, 2).float(), size // 64).permute(0, 2, 3, 1).round().byte().numpy()
    seen = checker.read(model, small, torch.device("cpu"))
    answers = {}

    def note(question, style, right):
        answers.setdefault(question, []).append((style, bool(right)))

    for i, row in enumerate(attributes.tolist()):
        wanted = {name: row[COLUMN[name]] for name in COLUMN}
        style = wanted["style"]
        read = {name: int(seen[name][i]) for name in CLASSES}
        picture = pictures[i].astype(np.float64) / 255
        ground, found = regions(picture, style)
        note("style", style, read["style"] == style)
        note("kind and number", style, read["kind"] == wanted["kind"])
        if style == 0:
            note("background", style, nearest(ground, FLAT_COLOURS) == wanted["background"])
        else:
            note("background", style, np.abs(ground - (DARK if style == 1 else PAPER_COLOUR)).max() < 0.1)
        if wanted["kind"] == 2:
            note("sign colour", style, sign_colour(picture, style) == wanted["sign"])
            n = wanted["letters"]
            counted = max(read["letters"], 1)
            written = reader(pictures[i], counted)
            letters = [k < counted and written[k] == wanted[f"letter_{k}"] for k in range(n)]
            note("whole word", style, counted == n and all(letters))
            for right in letters:
                note("letter", style, right)
            continue
        slots = "a" if wanted["kind"] == 0 else "ab"
        axis = 1 if wanted["relation"] < 2 else 0
        things = sorted(found[: len(slots)], key=lambda thing: thing[axis])
        colours = [thing[2] for thing in things] + [-1] * (len(slots) - len(things))
        told = wanted["kind"] == 0 or wanted["relation_told"]
        order = [slots] if told else [slots, slots[::-1]]  # "a and b" may stand either way round
        hits = [sum((colours[k] == wanted[f"colour_{s}"]) + (read[f"shape_{'ab'[k]}"] == wanted[f"shape_{s}"])
                    for k, s in enumerate(way)) for way in order]
        way = order[int(np.argmax(hits))]
        for k, s in enumerate(way):
            note("object colour", style, colours[k] == wanted[f"colour_{s}"])
            note("shape", style, read[f"shape_{'ab'[k]}"] == wanted[f"shape_{s}"])
            note("size", style, read[f"size_{'ab'[k]}"] == wanted[f"size_{s}"])
        if wanted["kind"] == 1 and told:
            straight = sum((colours[k] == wanted[f"colour_{s}"]) + (read[f"shape_{'ab'[k]}"] == wanted[f"shape_{s}"])
                           for k, s in enumerate("ab"))
            turned = sum((colours[k] == wanted[f"colour_{s}"]) + (read[f"shape_{'ab'[k]}"] == wanted[f"shape_{s}"])
                         for k, s in enumerate("ba"))
            note("relation", style, (read["relation"] < 2) == (wanted["relation"] < 2) and straight >= turned)
    return answers


def table(answers):
    lines = [f"| {'question':16} | all | flat | neon | pencil | asked |", "| --- | --- | --- | --- | --- | --- |"]
    for question, marks in answers.items():
        cells = []
        for style in (None, 0, 1, 2):
            chosen = [right for s, right in marks if style is None or s == style]
            cells.append(f"{100 * sum(chosen) / len(chosen):.1f} %" if chosen else "-")
        lines.append(f"| {question:16} | " + " | ".join(cells) + f" | {len(marks)} |")
    return "\n".join(lines)


def read_folder(folder):
    """000.png, 001.png, ... as far as they go -> uint8 (N,H,W,3)."""
    pictures = []
    while os.path.exists(path := os.path.join(folder, f"{len(pictures):03d}.png")):
        pictures.append(np.asarray(Image.open(path).convert("RGB")))
    return np.stack(pictures)


def likeness(pictures, others):
    """Peak signal-to-noise ratio, dB, of each picture: median and lowest."""
    count = min(len(pictures), len(others))
    squares = np.square(pictures[:count].astype(np.float64) - others[:count]).mean((1, 2, 3))
    ratios = 10 * np.log10(255**2 / np.maximum(squares, 1e-9))
    return f"median {np.median(ratios):.1f} dB, lowest {ratios.min():.1f} dB (picture {ratios.argmin()})"


def contact_sheet(pictures, prompts, path, columns=6, side=192):
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (side + 8), rows * (side + 34)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (picture, prompt) in enumerate(zip(pictures, prompts)):
        x, y = i % columns * (side + 8), i // columns * (side + 34)
        sheet.paste(Image.fromarray(picture).resize((side, side), Image.NEAREST if picture.shape[0] < side else Image.BOX), (x, y))
        for k in range(2):
            pen.text((x, y + side + 2 + 12 * k), prompt[k * 34 : (k + 1) * 34], fill="black")
    sheet.save(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", default="runs/demo/samples")
    parser.add_argument("--weights", default="runs/demo/weights")
    parser.add_argument("--glyphs", default="runs/demo/glyphs.npy")
    parser.add_argument("--sheets", action="store_true")
    args = parser.parse_args()
    with open(os.path.join(args.samples, "prompts.json")) as file:
        kept = json.load(file)
    model = checker.load(os.path.join(args.weights, "checker.safetensors"), torch.device("cpu"))
    reader = LetterReader(glyphs.load(args.glyphs))
    first = None
    for name in sorted(os.listdir(args.samples)):
        folder = os.path.join(args.samples, name)
        if os.path.isdir(folder):
            pictures = read_folder(folder)
            print(f"\n{name}: {len(pictures)} prompts\n" + table(judge(pictures, kept["rows"][: len(pictures)], model, reader)))
            if first:
                print(f"beside {first[0]}: " + likeness(pictures, first[1]))
            first = first or (name, pictures)
        if not name.endswith(".npz"):
            continue
        stored = np.load(os.path.join(args.samples, name))
        shown = kept["shown"] if "small" in stored.files else []
        for stage in stored.files:
            pictures = stored[stage]
            count = len(pictures) - len(shown)
            if count > 0:
                print(f"\n{name} {stage}: {count} prompts\n" + table(judge(pictures[len(shown) :], kept["rows"][:count], model, reader)))
            if args.sheets:
                prompts = (shown + kept["prompts"])[: len(pictures)]
                contact_sheet(pictures[:36], prompts[:36], os.path.join(args.samples, f"{name[:-4]}-{stage}.png"))


if __name__ == "__main__":
    main()
