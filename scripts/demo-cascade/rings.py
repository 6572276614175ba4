"""Drawn pictures that wait on the GPU, so that training does not wait for drawing.

A part of a ring is drawn anew again and again; each picture is met a few times, in other windows and with other noise.
"""
import torch
import torch.nn.functional as F

GEOMETRY = ("centre", "radius", "half", "object", "count")  # what data.edge_windows asks of a scene


def to_bytes(picture):
    """[-1,1] -> uint8."""
    return ((picture + 1) * 127.5).round().byte()


def from_bytes(picture):
    return picture.float() / 127.5 - 1


class Ring:
    """`draw(n)` -> {name: tensor (n, ...)}; the ring holds `count` of each, and `batch(n)` takes n of them by chance."""

    def __init__(self, draw, count, part):
        self.draw, self.count, self.at, self.held = draw, count, 0, {}
        for _ in range(-(-count // part)):
            self.renew(part)

    @torch.no_grad()
    def renew(self, count):
        for name, values in (drawn := self.draw(count)).items():
            if name not in self.held:
                self.held[name] = torch.zeros(self.count, *values.shape[1:], dtype=values.dtype, device=values.device)
        where = (self.at + torch.arange(count, device=next(iter(drawn.values())).device)) % self.count
        for name, values in drawn.items():
            self.held[name][where] = values
        self.at = (self.at + count) % self.count

    def pick(self, count):
        return torch.randint(self.count, (count,), device=next(iter(self.held.values())).device)

    def batch(self, count):
        pick = self.pick(count)
        return {name: values[pick] for name, values in self.held.items()}


def small_pictures(pool, composer, width=64, height=64, pick=None):
    """A drawer of Stage 1's pictures: {"picture": uint8 (n,3,height,width), "index": places in the pool}."""
    short = min(width, height)

    def draw(count):
        index = (pick or pool.pick)(count)
        scene = composer.place(pool.rows[index].long(), width / short, height / short)
        return {"picture": to_bytes(composer.small(scene, height, width)), "index": index}

    return draw


def canvases(pick, rows, composer, side, smaller):
    """A drawer of square pictures of `side` px with their small ones (`smaller(scene)` in [-1,1]) and where their objects are."""

    def draw(count):
        index = pick(count)
        scene = composer.place(rows[index].long())
        picture = composer.paint(scene, side, side, side) * 2 - 1
        return {"picture": to_bytes(picture), "small": to_bytes(smaller(scene)), "index": index, **{name: scene[name] for name in GEOMETRY}}

    return draw


def cut(pictures, pick, corners, side):
    """Windows (n,3,side,side) in [-1,1] of pictures[pick], (N,3,H,W) uint8, at `corners` (n,2) in pixels, x first."""
    steps = torch.arange(side, device=pictures.device)
    columns, lines = corners[:, 0, None] + steps, corners[:, 1, None] + steps
    windows = pictures[pick[:, None, None], :, lines[:, :, None], columns[:, None]]
    return from_bytes(windows.permute(0, 3, 1, 2).contiguous())


def enlarged(guides, side):
    return F.interpolate(guides, (side, side), mode="bilinear", align_corners=True)
