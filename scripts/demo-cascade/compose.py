"""Draws batches of scenes on any device: sprites by batched sampling, shapes and letters by signed distance.

Coordinates: the short side of the canvas is 1, y down.  `Composer.place` turns rows (scenes.COLUMNS) into positions with chance
in them, `Composer.paint` draws any window of the canvas at any resolution.
"""
import io
import json
import multiprocessing
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import glyphs
from shapes import box, shape_distance
from scenes import COLUMN, FIRST_THING, LONGEST, MANY, ONE, SIGN, TWO
from vocabulary import COLOURS, DARK_TEXT_ON, FLAT, NEON, NEON_GROUND, PAPER, PENCIL_LINE, PENCIL_TEXT

SLOTS = 6
SIDE, LOOKS = 384, ("flat", "cartoon", "line")
SPOTS = {2: [(-1, 0), (1, 0)], 3: [(-2, 0), (0, 0), (2, 0)], 4: [(-1, -1), (1, -1), (-1, 1), (1, 1)],
         5: [(-2, -1), (0, -1), (2, -1), (-1, 1), (1, 1)], 6: [(-2, -1), (0, -1), (2, -1), (-2, 1), (0, 1), (2, 1)]}


def _decoded(job):
    path, look, (at, length), side = job
    with open(path, "rb") as file:
        file.seek(at)
        picture = Image.open(io.BytesIO(file.read(length))).convert("RGBA")
    picture = np.asarray(picture if picture.width == side else picture.resize((side, side), Image.BOX))
    return picture[..., 3:] if look == "line" else picture


def load_sprites(folder, side=SIDE):
    """{look: uint8 (things, side, side, channels)}; "line" has its alpha alone.  Forks: call it before the GPU is used."""
    cache = os.path.join(folder, f"sprites-{side}.npz")
    if side < SIDE and os.path.exists(cache):
        return dict(np.load(cache))
    with open(os.path.join(folder, "things.json")) as file:
        things = json.load(file)["things"]
    path = os.path.join(folder, "sprites.bin")
    with multiprocessing.get_context("fork").Pool(min(16, os.cpu_count())) as pool:
        looks = {look: np.stack(pool.map(_decoded, [(path, look, t["sprites"][look], side) for t in things], 16)) for look in LOOKS}
    if side < SIDE:
        np.savez(cache, **looks)
    return looks


def mips(pictures, device):
    """[(things, channels, side, side) uint8 on `device`] from 48 px to full size, colours premultiplied."""
    levels = {}
    for part in torch.from_numpy(pictures).split(64):
        full = part.to(device).permute(0, 3, 1, 2).float()
        if full.shape[1] == 4:
            full = torch.cat([full[:, :3] * full[:, 3:] / 255, full[:, 3:]], 1)
        side = full.shape[-1]
        while side >= 48:
            levels.setdefault(side, []).append(F.avg_pool2d(full, full.shape[-1] // side).round().byte())
            side //= 2
    return {side: torch.cat(parts) for side, parts in sorted(levels.items())}


class Composer:
    def __init__(self, folder, device, looks):
        """`looks`: load_sprites' pictures."""
        self.device = device
        self.sprites = {look: mips(pictures, device) for look, pictures in looks.items()}
        self.sides = sides = list(self.sprites["flat"])
        small = self.sprites["flat"][sides[0]].float().flatten(2) / 255
        weight = small[:, :3].amax(1) - small[:, :3].amin(1) + 0.02 * small[:, 3]
        mean = (small[:, :3] * weight[:, None]).sum(2) / weight[:, None].sum(2).clamp(min=1e-3)
        self.neon_of = 0.25 + 0.75 * mean / mean.amax(1, keepdim=True).clamp(min=0.05)
        grey = torch.tensor([0.3, 0.59, 0.11], device=device)
        self.bright = {}
        for look in ("flat", "cartoon"):
            s = self.sprites[look][sides[0]].float() / 255
            self.bright[look] = ((s[:, :3] * grey[:, None, None]).sum((1, 2, 3)) / s[:, 3].sum((1, 2)).clamp(min=1)).clamp(0.15, 0.85)

        def table(rows):
            return torch.tensor(rows, device=device) / 255

        self.flat, self.neon = table(FLAT), table(NEON)
        self.paper, self.dark, self.lead, self.ink = table(PAPER), table(NEON_GROUND), table(PENCIL_LINE), table(PENCIL_TEXT)
        self.text = torch.stack([self.flat[COLOURS.index("black")] if c in DARK_TEXT_ON else torch.ones(3, device=device) for c in COLOURS])
        self.grey = grey
        self.atlas = torch.from_numpy(glyphs.load(os.path.join(folder, "glyphs.npy"))).to(device)
        spots = torch.zeros(7, SLOTS, 2)
        for n, places in SPOTS.items():
            spots[n, :n] = torch.tensor(places, dtype=torch.float)
        self.spots = spots.to(device)

    def place(self, rows, width=1.0, height=1.0):
        """rows int64 (B, columns) -> a scene on a canvas of `width` x `height` (the shorter is 1)."""
        batch, dev = len(rows), self.device

        def column(name):
            return rows[:, COLUMN[name]]

        def chance(*shape):
            return torch.rand(batch, *shape, device=dev) * 2 - 1

        kind, count, relation = column("kind"), column("count").clamp(1, 6), column("relation")
        canvas = torch.tensor([width, height], device=dev)
        size = torch.stack([column("size_a"), column("size_b")], 1).clamp(min=0)
        radii = torch.tensor([[0.3, 0.16, 0.4], [0.195, 0.125, 0.235]], device=dev)[(kind == TWO).long()]
        radius = radii.gather(1, size) * (1 + 0.05 * chance(2))
        side = torch.where(relation < 0, 0, relation)
        way = torch.where(side % 2 == 0, -1.0, 1.0)
        along = way[:, None] * torch.stack([(side < 2).float(), (side >= 2).float()], 1) * 0.25 * canvas.clamp(max=1.4)
        along = along * (kind == TWO)[:, None]
        loose = torch.where((kind == TWO)[:, None], torch.where(along.abs() > 0, 0.01, 0.03), 0.03) * canvas
        scene = {"style": column("style"), "ground": column("ground"), "told": column("ground_told"), "rows": rows,
                 "count": torch.where(kind == TWO, 2, count), "canvas": (width, height)}
        centres = torch.stack([canvas / 2 + along + loose * chance(2), canvas / 2 - along + loose * chance(2)], 1)
        centres = F.pad(centres, (0, 0, 0, SLOTS - 2))
        radius = F.pad(radius, (0, SLOTS - 2))
        many = kind == MANY
        unit = torch.where(count <= 2, 0.23, torch.where(count == 4, 0.22, 0.158))[:, None]
        spread = self.spots[count]
        if height > width:
            spread = torch.where((count == 3)[:, None, None], spread.flip(-1), spread)
        scene["centre"] = torch.where(many[:, None, None], canvas / 2 + spread * unit[..., None] + 0.008 * chance(SLOTS, 2), centres)
        scene["radius"] = torch.where(many[:, None], unit * 0.9 * (1 + 0.03 * chance(SLOTS)), radius)
        a, b = (torch.stack([column(f"object_{s}"), column(f"colour_{s}")], 1) for s in "ab")
        both = torch.stack([a, b] + [a] * (SLOTS - 2), 1)
        both = torch.where(many[:, None, None], a[:, None], both)
        scene["object"], scene["colour"] = both[..., 0], both[..., 1]
        scene["angle"] = 0.06 * chance(SLOTS)
        lengths = torch.stack([column("length_0"), column("length_1")], 1).clamp(min=0)
        longest = lengths.amax(1).clamp(min=1)
        lines = 1 + (lengths[:, 1] > 0).long()
        grow = torch.where(kind == ONE, 1.0, torch.where(side >= 2, 0.75, 0.62)) * torch.tensor([1.0, 0.8, 1.08], device=dev)[size[:, 0]]
        half = torch.tensor([0.0, 0.26, 0.26, 0.32, 0.37, 0.4, 0.42, 0.43, 0.43], device=dev)[longest]
        cell = (2 * half - 0.1) / longest
        scene["half"] = torch.stack([half, cell * glyphs.CELL_HEIGHT * (lines / 2 + 0.1 * (lines - 1)) + 0.07], 1) * grow[:, None]
        scene["cell"], scene["lengths"], scene["lines"], scene["grow"] = cell * grow, lengths, lines, grow
        reach = torch.where((scene["object"] == SIGN)[..., None], scene["half"][:, None] + 0.01, scene["radius"][..., None] * 1.02 + 0.01)
        low, high = reach, canvas - reach
        scene["centre"] = torch.maximum(torch.minimum(scene["centre"], high), torch.minimum(low, canvas / 2))
        return scene

    def sprite(self, look, index, x, y, centre, radius, angle, diameter):
        """(n, channels, H, W) samples in [0,1] of sprites `index` as seen at x, y (n,H,W)."""
        c, s = angle.cos()[:, None, None], angle.sin()[:, None, None]
        dx, dy = x - centre[:, 0, None, None], y - centre[:, 1, None, None]
        grid = torch.stack([c * dx + s * dy, c * dy - s * dx], -1) / radius[:, None, None, None]
        channels = 1 if look == "line" else 4
        out = torch.zeros(len(index), channels, *x.shape[1:], device=self.device)
        level = torch.bucketize(diameter, torch.tensor(self.sides[:-1], device=self.device, dtype=torch.float))
        for k, side in enumerate(self.sides):
            mine = (level == k).nonzero()[:, 0]
            if len(mine):
                texture = self.sprites[look][side][index[mine]].float() / 255
                out[mine] = F.grid_sample(texture, grid[mine], mode="bilinear", padding_mode="zeros", align_corners=False)
        # a magnified drawing's outline is made as sharp as the rest
        steep = (diameter / self.sides[-1]).clamp(min=1)[:, None, None, None]
        alpha = ((out[:, -1:] - 0.5) * steep + 0.5).clamp(0, 1)
        return torch.cat([out[:, :-1] * alpha / out[:, -1:].clamp(min=1e-3), alpha], 1)

    def letters(self, scene, which, px, py):
        """Signed distance to a sign's letters (n,H,W)."""
        cell, lines = scene["cell"][which][:, None, None], scene["lines"][which][:, None, None]
        v = py / cell / (glyphs.CELL_HEIGHT * 1.25)  # lines are 1.25 letters apart
        line = torch.where(lines == 2, (v > 0).long(), 0)
        count = scene["lengths"][which].gather(1, line.flatten(1)).view_as(line).clamp(min=1)
        v = py / cell - torch.where(lines == 2, (line - 0.5) * glyphs.CELL_HEIGHT * 1.25, 0.0)
        u = px / cell + count / 2
        slot = torch.minimum(u.floor().clamp(min=0), (count - 1).float())
        word = scene["rows"][which][:, COLUMN["letter_0"]:COLUMN["letter_0"] + 2 * LONGEST].clamp(min=0)
        glyph = word.gather(1, (line * LONGEST + slot.long()).flatten(1)).view_as(line)
        _, rows, columns = self.atlas.shape
        fx = ((u - slot + glyphs.MARGIN) * glyphs.RESOLUTION - 0.5).clamp(0, columns - 1.001)
        fy = ((v + glyphs.CELL_HEIGHT / 2 + glyphs.MARGIN) * glyphs.RESOLUTION - 0.5).clamp(0, rows - 1.001)
        ix, iy = fx.floor(), fy.floor()
        wx, wy = fx - ix, fy - iy
        base, flat = glyph * (rows * columns) + iy.long() * columns + ix.long(), self.atlas.reshape(-1)
        upper = flat[base] * (1 - wx) + flat[base + 1] * wx
        lower = flat[base + columns] * (1 - wx) + flat[base + columns + 1] * wx
        beyond = torch.maximum((u - slot - 0.5).abs() - 0.5 - glyphs.MARGIN, v.abs() - glyphs.CELL_HEIGHT / 2 - glyphs.MARGIN)
        return (upper * (1 - wy) + lower * wy + beyond.clamp(min=0)) * cell

    def layers(self, scene, which, k, x, y, aa):
        """(fill colour, fill alpha, ink colour, ink alpha) of slot k of pictures `which`."""
        style, number = scene["style"][which], scene["object"][which, k]
        colour, told = scene["colour"][which, k].clamp(min=0), scene["colour"][which, k] >= 0
        centre, radius = scene["centre"][which, k], scene["radius"][which, k]
        n, size = len(which), x.shape[1:]
        fill, ink = torch.zeros(n, 3, *size, device=self.device), torch.zeros(n, 3, 1, 1, device=self.device)
        alpha, line = torch.zeros(n, 1, *size, device=self.device), torch.zeros(n, 1, *size, device=self.device)
        dark_ground = (scene["ground"][which] == COLOURS.index("black")) & (scene["told"][which] > 0)
        black = torch.where(dark_ground[:, None], 1.0, self.flat[COLOURS.index("black")])
        lines_of = torch.where(told[:, None], self.flat[colour], black)

        def cover(distance):
            return (0.5 - distance / aa).clamp(0, 1)[:, None]

        def wide(c):
            return c[:, :, None, None]

        def inks(mine, thing=None):
            s, c = style[mine], colour[mine]
            neon = self.neon[c] if thing is None else torch.where(told[mine, None], self.neon[c], self.neon_of[thing])
            return wide(torch.where((s == 1)[:, None], neon, torch.where((s == 2)[:, None], self.lead, lines_of[mine])))

        mine = (number >= FIRST_THING).nonzero()[:, 0]
        if len(mine):
            thing = number[mine] - FIRST_THING
            rest = (x[mine], y[mine], centre[mine], radius[mine], scene["angle"][which, k][mine], 2 * radius[mine] / aa)
            for look, wanted in (("flat", style[mine] != 3), ("cartoon", style[mine] == 3)):
                some = wanted.nonzero()[:, 0]
                if not len(some):
                    continue
                rgba = self.sprite(look, thing[some], *(r[some] for r in rest))
                seen = rgba[:, 3:].clamp(min=1e-3)
                plain = rgba[:, :3] / seen
                shade = (plain * self.grey[:, None, None]).sum(1, keepdim=True) / self.bright[look][thing[some]][:, None, None, None]
                hue = wide(self.flat[colour[mine[some]]])
                tinted = torch.where(shade < 1, hue * (0.35 + 0.65 * shade), hue + (1 - hue) * (0.55 * (shade - 1)).clamp(0, 0.75))
                fill[mine[some]] = torch.where(told[mine[some]][:, None, None, None], tinted, plain)
                alpha[mine[some]] = rgba[:, 3:]
            lined = ((style[mine] != 0) & (style[mine] != 3)).nonzero()[:, 0]
            if len(lined):
                line[mine[lined]] = self.sprite("line", thing[lined], *(r[lined] for r in rest))
            ink[mine] = inks(mine, thing)
        mine = (number < SIGN).nonzero()[:, 0]
        if len(mine):
            px, py = x[mine] - centre[mine, 0, None, None], y[mine] - centre[mine, 1, None, None]
            distance = shape_distance(number[mine, None, None], px, py, radius[mine, None, None] * 0.93)
            shade = torch.where(style[mine] == 3, 1.0, 0.0)[:, None, None] * (py / radius[mine, None, None]) * -0.16
            fill[mine] = (wide(self.flat[colour[mine]]) + shade[:, None]).clamp(0, 1)
            alpha[mine], line[mine], ink[mine] = cover(distance), cover(distance.abs() - 0.0145), inks(mine)
        mine = (number == SIGN).nonzero()[:, 0]
        if len(mine):
            w = which[mine]
            px, py = x[mine] - centre[mine, 0, None, None], y[mine] - centre[mine, 1, None, None]
            grow, half = scene["grow"][w][:, None, None], scene["half"][w]
            corner = 0.05 * grow
            board = box(px, py, half[:, 0, None, None] - corner, half[:, 1, None, None] - corner) - corner
            letter = cover(self.letters(scene, w, px, py))
            frame = cover((board + 0.025 * grow).abs() - 0.008 * grow)
            on = torch.maximum(letter, frame)
            board_colour, lettering = wide(self.flat[colour[mine]]), wide(self.text[colour[mine]])
            lettering = torch.where((style[mine] == 2)[:, None, None, None], wide(self.ink[None]), lettering)
            on = torch.where((style[mine] == 2)[:, None, None, None], letter, on)
            fill[mine], alpha[mine] = board_colour + on * (lettering - board_colour), cover(board)
            line[mine], ink[mine] = torch.maximum(cover(board.abs() - 0.0145 * grow), letter), inks(mine)
        return fill, alpha, ink, line

    @torch.no_grad()
    def paint(self, scene, rows, columns, resolution, corner=None):
        """(B,3,rows,columns) in [0,1]; `resolution` pixels are one unit; the window begins at corner (B,2)."""
        style, dev = scene["style"], self.device
        batch, aa = len(style), 1 / resolution
        x = ((torch.arange(columns, device=dev) + 0.5) * aa)[None, None].expand(batch, rows, columns)
        y = ((torch.arange(rows, device=dev) + 0.5) * aa)[None, :, None].expand(batch, rows, columns)
        if corner is not None:
            x, y = x + corner[:, 0, None, None], y + corner[:, 1, None, None]
        own = torch.where((style == 1)[:, None], self.dark, torch.where((style == 2)[:, None], self.paper, self.flat[scene["ground"]]))
        ground = torch.where((scene["told"] > 0)[:, None], self.flat[scene["ground"]], own)[:, :, None, None]
        picture = ground.expand(batch, 3, rows, columns).clone()
        glow = torch.zeros_like(picture) if (style == 1).any() else None
        fills = torch.tensor([1.0, 0.0, 0.4, 1.0, 0.0], device=dev)[style]
        strokes = torch.tensor([0.0, 1.0, 0.85, 0.0, 1.0], device=dev)[style]
        for k in range(SLOTS):
            which = (scene["count"] > k).nonzero()[:, 0]
            if not len(which):
                break
            fill, alpha, ink, line = self.layers(scene, which, k, x[which], y[which], aa)
            some = picture[which]
            # a thing in front hides what is behind it, in lines too
            hidden = alpha * ((style[which] == 1) | (style[which] == 4))[:, None, None, None] * (line > -1)
            some = some + hidden * (ground[which] - some)
            some = some + alpha * fills[which][:, None, None, None] * (fill - some)
            some = some + line * strokes[which][:, None, None, None] * (ink - some)
            picture[which] = some
            if glow is not None:
                glow[which] = torch.maximum(glow[which], ink * line * (style[which] == 1)[:, None, None, None])
        if glow is not None:
            reach = max(1, round(0.022 * resolution))
            soft = glow
            for _ in range(2):
                soft = F.pad(soft, (reach,) * 4, mode="replicate") if min(rows, columns) > reach else soft
                soft = F.avg_pool2d(soft, 2 * reach + 1, 1) if soft.shape[-1] > columns else soft
            picture = picture + 0.75 * soft * (1 - picture) * (style == 1)[:, None, None, None]
        return picture.clamp(0, 1)

    def small(self, scene, height=64, width=64):
        """The 64 px picture in [-1,1], averaged over 2 x 2 samples."""
        return F.avg_pool2d(self.paint(scene, 2 * height, 2 * width, 2 * min(height, width)), 2) * 2 - 1
