"""Endless batches: a pool of scenes with their tokens is written once, by all processor cores, and stays on the GPU;
positions, sizes and the drawing itself are fresh."""
import multiprocessing
import os
import random

import numpy as np
import sentencepiece
import torch
import torch.nn.functional as F

import scenes
from scenes import COLUMN, SIGN, TWO

TEXT_LENGTH = 77
STORED = 44  # tokens kept per caption; the grammar needs fewer


def spans(pieces, objects, letters):
    """For every token: the object mentioned (0, 1; -1 none), the letter of a sign that it begins (-1 none), how many letters it is."""
    of_object, of_letter, spelt, at = [], [], [], -1  # the tokenizer puts a space before the text
    for piece in pieces:
        end = at + len(piece)
        inside = range(max(at, 0), min(end, len(objects)))
        of_object.append(max((objects[i] for i in inside), default=-1))
        of_letter.append(next((letters[i] for i in inside if letters[i] >= 0), -1))
        spelt.append(sum(letters[i] >= 0 for i in inside))
        at = end
    return of_object, of_letter, spelt


def _rows(job):
    path, folder, seed, count, shares = job
    rng, things = random.Random(seed), scenes.load_things(folder)
    rows = [scenes.sample(rng, things, **shares) for _ in range(count)]
    if path is None:
        return np.array(rows, np.int16), np.zeros((count, 0), np.int16), np.zeros((3, count, 0), np.int8)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(path, "t5", "spiece.model"))
    names = [tokenizer.id_to_piece(i) for i in range(tokenizer.get_piece_size())]
    ids, places = np.zeros((count, STORED), np.int16), np.full((3, count, STORED), -1, np.int8)
    for i, row in enumerate(rows):
        text, objects, letters = scenes.unmark(scenes.caption(row, rng, things))
        tokens = tokenizer.encode(text)[: STORED - 1]
        for k, values in enumerate(spans([names[t] for t in tokens], objects, letters)):
            places[k, i, : len(tokens)] = values
        ids[i, : len(tokens) + 1] = [*tokens, 1]
    return np.array(rows, np.int16), ids, places


class Pool:
    """Scenes and captions on a device.  `batch(n)` -> rows (n, columns), T5 ids (n, 77).

    Without `tokenizers` there are no captions, and a pool is made twenty times as fast.
    With `easy`, shares for scenes.sample, the first half of the pool is sampled with them and the second with `common` ones.
    """

    def __init__(self, tokenizers: str | None, things: str, count: int, device, seed=0, easy=None, common=None):
        workers = max(1, min(28, (os.cpu_count() or 2) - 1)) if count > 20000 else 1
        jobs = [(tokenizers, things, seed * 1000 + i, -(-count // workers), easy if easy and i < workers // 2 else common or {})
                for i in range(workers)]
        if workers == 1:
            results = [_rows(jobs[0])]
        else:
            # forked before the GPU is first used, and the children never use it
            with multiprocessing.get_context("fork").Pool(workers) as pool:
                results = pool.map(_rows, jobs)
        self.device = device
        self.easy = workers // 2 * -(-count // workers) if easy else 0
        self.rows = torch.from_numpy(np.concatenate([r[0] for r in results])).to(device)
        self.ids = torch.from_numpy(np.concatenate([r[1] for r in results])).to(device)
        self.places = torch.from_numpy(np.concatenate([r[2] for r in results], 1)).to(device)

    def to(self, device):
        self.device, self.rows, self.ids, self.places = device, *(x.to(device) for x in (self.rows, self.ids, self.places))
        return self

    def pick(self, n, easy_share=None):
        """Places in the pool; `easy_share` of them easy ones."""
        if easy_share is None or not self.easy:
            return torch.randint(len(self.ids), (n,), device=self.device)
        easy = torch.randint(self.easy, (n,), device=self.device)
        common = torch.randint(self.easy, len(self.ids), (n,), device=self.device)
        return torch.where(torch.rand(n, device=self.device) < easy_share, easy, common)

    def text(self, index, empty_share=0.0):
        """T5 ids (n, 77) of scenes `index`; a share of the prompts is empty."""
        ids = self.ids[index].long()
        if empty_share:
            drop = torch.rand(len(ids), 1, device=self.device) < empty_share
            nothing = torch.zeros_like(ids)
            nothing[:, 0] = 1  # an empty prompt is only </s>
            ids = torch.where(drop, nothing, ids)
        return F.pad(ids, (0, TEXT_LENGTH - STORED))

    def batch(self, n, empty_share=0.0):
        index = self.pick(n)
        return self.rows[index].long(), self.text(index, empty_share)


def edge_windows(scene, width: float, height: float):
    """Corners (B,2) of windows that mostly look at an outline or at letters, so that flat ground does not fill the batch."""
    batch, device = scene["count"].shape[0], scene["count"].device
    which = (torch.rand(batch, device=device) * scene["count"]).long()
    everyone = torch.arange(batch, device=device)
    angle = torch.rand(batch, device=device) * 2 * torch.pi
    ray = torch.stack([angle.cos(), angle.sin()], 1) * torch.rand(batch, 1, device=device).sqrt() * 1.1
    on_object = scene["centre"][everyone, which] + ray * scene["radius"][everyone, which, None]
    on_sign = scene["centre"][everyone, which] + (torch.rand(batch, 2, device=device) * 2 - 1) * scene["half"]
    target = torch.where((scene["object"][everyone, which] == SIGN)[:, None], on_sign, on_object)
    target = torch.where(torch.rand(batch, 1, device=device) < 0.1, torch.rand(batch, 2, device=device), target)
    extent = torch.tensor([width, height], device=device)
    target = target + (torch.rand(batch, 2, device=device) - 0.5) * extent * 0.6
    return torch.minimum((target - extent / 2).clamp(min=0), 1 - extent)


def canonical(rows):
    """Names the left (or upper) one of two objects the first, since a picture cannot tell which one a prompt began with."""
    swapped = rows.clone()
    for field in ("object", "colour", "size"):
        swapped[:, COLUMN[f"{field}_a"]] = rows[:, COLUMN[f"{field}_b"]]
        swapped[:, COLUMN[f"{field}_b"]] = rows[:, COLUMN[f"{field}_a"]]
    relation = rows[:, COLUMN["relation"]]
    swapped[:, COLUMN["relation"]] = relation - 1
    turn = (rows[:, COLUMN["kind"]] == TWO) & (relation >= 0) & (relation % 2 == 1)
    return torch.where(turn[:, None], swapped, rows)


def degrade(picture, strength: float, displaced: float = 0.35):
    """Errors like those of the stage before: uneven colour, faint noise, softness, outlines out of place.

    `displaced`: by how many pixels of `picture` outlines are shifted at most.  The stage that learns from it draws outlines
    as uncertain as that: with 0.35 circles came out faintly polygonal.
    """
    batch, _, size, _ = picture.shape
    device = picture.device

    def amount(top, share=0.7):
        on = (torch.rand(batch, 1, 1, 1, device=device) < share).float()
        return torch.rand(batch, 1, 1, 1, device=device) * top * on

    flow = F.interpolate(torch.randn(batch, 2, size // 6, size // 6, device=device), size=size, mode="bicubic")
    flow = flow * amount(displaced) * (2 / size)
    steps = (torch.arange(size, device=device) + 0.5) * 2 / size - 1
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)[None] + flow.permute(0, 2, 3, 1)
    picture = F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)
    soft = F.avg_pool2d(F.pad(picture, (1, 1, 1, 1), mode="replicate"), 3, 1)
    picture = picture + (amount(0.7 * strength) - 0.15 * strength) * (soft - picture)
    cloud = F.interpolate(torch.randn(batch, 3, size // 8, size // 8, device=device), size=size, mode="bilinear")
    picture = picture + cloud * amount(0.05 * strength) + torch.randn_like(picture) * amount(0.04 * strength)
    return picture.clamp(-1, 1)
