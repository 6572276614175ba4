"""Endless batches: a pool of scenes with their tokens is written once, by all processor cores, and stays on the GPU;
positions, sizes and the drawing itself are fresh for every batch."""
import multiprocessing
import os
import random

import numpy as np
import sentencepiece
import torch
import torch.nn.functional as F

import captions
import draw
import glyphs
from networks import TEXT_LENGTH

STORED = 40  # tokens kept per caption; the grammar needs fewer


def _t5_rows(job):
    path, seed, count, lettering, keep_texts = job
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(path, "t5", "spiece.model"))
    rng = random.Random(seed)
    rows = [captions.sample_scene(rng, lettering) for _ in range(count)]
    texts = [captions.caption(row, rng) for row in rows]
    ids = np.zeros((count, STORED), np.int16)
    for i, tokens in enumerate(tokenizer.encode(texts)):
        tokens = tokens[: STORED - 1] + [1]
        ids[i, : len(tokens)] = tokens
    return np.array(rows, np.int8), ids, texts if keep_texts else []


class Pool:
    """Scenes and captions on a device.  `batch(n)` -> attributes (n, columns), T5 ids (n,77), mask (n,77)."""

    def __init__(self, tokenizers: str, count: int, device, seed=0, clip=False, lettering=0.45):
        workers = max(1, min(14, (os.cpu_count() or 2) - 1)) if count > 20000 else 1
        part = -(-count // workers)
        jobs = [(tokenizers, seed * 1000 + i, part, lettering, clip) for i in range(workers)]
        if workers == 1:
            results = [_t5_rows(jobs[0])]
        else:
            # forked before the GPU is first used, and the children never use it
            with multiprocessing.get_context("fork").Pool(workers) as pool:
                results = pool.map(_t5_rows, jobs)
        self.attributes = torch.from_numpy(np.concatenate([r[0] for r in results])).to(device)
        self.ids = torch.from_numpy(np.concatenate([r[1] for r in results])).to(device)
        self.texts = [t for r in results for t in r[2]]
        self.device = device
        if clip:
            from transformers import CLIPTokenizer

            tokenizer = CLIPTokenizer.from_pretrained(os.path.join(tokenizers, "clip"))
            self.clip_vocabulary = len(tokenizer)
            ids = [tokenizer(self.texts[i : i + 10000], padding="max_length", truncation=True, max_length=TEXT_LENGTH).input_ids
                   for i in range(0, len(self.texts), 10000)]
            self.clip_ids = torch.tensor([row for chunk in ids for row in chunk], dtype=torch.int16, device=device)
            self.clip_empty = torch.tensor(tokenizer("", padding="max_length", max_length=TEXT_LENGTH).input_ids,
                                           device=device)

    def pick(self, n):
        return torch.randint(len(self.ids), (n,), device=self.device)

    def batch(self, n, empty_share=0.0):
        index = self.pick(n)
        ids = self.ids[index].long()
        if empty_share:
            drop = torch.rand(n, 1, device=self.device) < empty_share
            nothing = torch.zeros_like(ids)
            nothing[:, 0] = 1  # an empty prompt is only </s>
            ids = torch.where(drop, nothing, ids)
        ids = F.pad(ids, (0, TEXT_LENGTH - STORED))
        return self.attributes[index].long(), ids, (ids != 0).long()

    def clip_batch(self, n, empty_share=0.0):
        index = self.pick(n)
        ids = self.clip_ids[index].long()
        drop = torch.rand(n, 1, device=self.device) < empty_share
        return self.attributes[index].long(), torch.where(drop, self.clip_empty, ids)


def painter(cache: str, device, compiled: bool):
    module = draw.Painter(glyphs.load(cache)).to(device)
    return torch.compile(module, dynamic=False) if compiled else module


def edge_windows(scene, extent: float):
    """Corners (B,2) of windows that mostly look at an outline or at letters, so that flat ground does not fill the batch."""
    kind = scene["kind"]
    batch, device = kind.shape[0], kind.device
    angle = torch.rand(batch, device=device) * 2 * torch.pi
    ray = torch.stack([angle.cos(), angle.sin()], 1) * (0.3 + 0.8 * torch.rand(batch, 1, device=device))
    second = ((kind == 1) & (torch.rand(batch, device=device) < 0.5))[:, None]
    centre = torch.where(second, scene["centre_b"], scene["centre_a"])
    radius = torch.where(second[:, 0], scene["radius_b"], scene["radius_a"])[:, None]
    on_object = centre + ray * radius
    board = torch.stack([scene["half_width"], scene["half_height"]], 1)
    on_sign = scene["sign_centre"] + (torch.rand(batch, 2, device=device) * 2 - 1) * board
    target = torch.where((kind == 2)[:, None], on_sign, on_object)
    anywhere = torch.rand(batch, 2, device=device)
    target = torch.where(torch.rand(batch, 1, device=device) < 0.12, anywhere, target)
    target = target + (torch.rand(batch, 2, device=device) - 0.5) * extent * 0.6
    return (target - extent / 2).clamp(min=torch.zeros((), device=device), max=torch.tensor(1 - extent, device=device))


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
