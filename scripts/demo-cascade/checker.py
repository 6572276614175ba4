"""A small network that reads a 64 px picture: it knows drawings, never prompts, and so can judge what the cascade made.

    python checker.py --seconds 40 --out runs/demo
"""
import argparse
import os
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

import draw
from data import Pool, degrade, painter
from training import Log, half_precision, setup
from vocabulary import CLASSES, COLUMN


class Block(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.a = nn.Conv2d(inside, outside, 3, stride, 1)
        self.b = nn.Conv2d(outside, outside, 3, 1, 1)
        self.skip = nn.Conv2d(inside, outside, 1, stride)
        self.na, self.nb = nn.GroupNorm(8, inside), nn.GroupNorm(8, outside)

    def forward(self, x):
        h = self.a(F.silu(self.na(x)))
        return self.skip(x) + self.b(F.silu(self.nb(h)))


class Checker(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3, 1, 1)
        self.blocks = nn.Sequential(Block(32, 64, 2), Block(64, 96, 2), Block(96, 128, 1), Block(128, 160, 2), Block(160, 160, 1))
        self.squeeze = nn.Conv2d(160, 48, 1)
        self.hidden = nn.Linear(48 * 64, 384)
        self.heads = nn.ModuleDict({name: nn.Linear(384, n) for name, n in CLASSES.items()})

    def forward(self, picture):
        h = F.silu(self.squeeze(F.silu(self.blocks(self.first(picture)))))
        h = F.silu(self.hidden(h.flatten(1)))
        return {name: head(h) for name, head in self.heads.items()}


def canonical(attributes):
    """Names the left (or upper) one of two objects the first, since a picture cannot tell which one a prompt began with."""
    swapped = attributes.clone()
    for field in ("shape", "colour", "size"):
        swapped[:, COLUMN[f"{field}_a"]] = attributes[:, COLUMN[f"{field}_b"]]
        swapped[:, COLUMN[f"{field}_b"]] = attributes[:, COLUMN[f"{field}_a"]]
    relation = attributes[:, COLUMN["relation"]]
    swapped[:, COLUMN["relation"]] = relation - 1
    turn = (attributes[:, COLUMN["kind"]] == 1) & (relation % 2 == 1)
    return torch.where(turn[:, None], swapped, attributes)


def load(path, device):
    model = Checker().to(device).eval()
    model.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    return model


@torch.no_grad()
def read(model, pictures, device, batch=128):
    """uint8 (N,64,64,3) -> {attribute: (N,) predicted class}."""
    found = {name: [] for name in CLASSES}
    for start in range(0, len(pictures), batch):
        part = torch.as_tensor(pictures[start : start + batch]).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        for name, logits in model(part).items():
            found[name].append(logits.argmax(1).cpu())
    return {name: torch.cat(parts) for name, parts in found.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--batch", type=int, default=384)
    parser.add_argument("--pool", type=int, default=200000)
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    args = parser.parse_args()
    device = setup(20)
    pool = Pool(args.tokenizers, args.pool, device, seed=20, lettering=0.5)
    paint = painter(os.path.join(args.out, "glyphs.npy"), device, False)
    model = Checker().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    log = Log(os.path.join(args.out, "logs.jsonl"), "checker", 100)

    def pictures(count, spoilt):
        attributes = pool.batch(count)[0]
        picture = F.avg_pool2d(paint(draw.place(attributes), 128), 2) * 2 - 1
        return (degrade(picture, 1.5) if spoilt else picture), canonical(attributes)

    began = time.time()
    while (done := (time.time() - began) / args.seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - done) * min(1, (log.step + 1) / 100)
        with torch.no_grad():
            picture, target = pictures(args.batch, True)
        with half_precision(device):
            answers = model(picture)
        losses = [torch.nan_to_num(F.cross_entropy(answers[n].float(), target[:, COLUMN[n]], ignore_index=-1)) for n in CLASSES]
        loss = sum(losses)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        log.add(args.batch, loss=loss)
    model.eval()
    right, known = dict.fromkeys(CLASSES, 0), dict.fromkeys(CLASSES, 0)
    with torch.no_grad():
        for _ in range(8):
            picture, target = pictures(250, False)
            for name, logits in model(picture).items():
                wanted = target[:, COLUMN[name]]
                right[name] += ((logits.argmax(1) == wanted) & (wanted >= 0)).sum().item()
                known[name] += (wanted >= 0).sum().item()
    print("right on drawn pictures:", {n: round(right[n] / max(known[n], 1), 4) for n in CLASSES})
    save_file({k: v.half().contiguous().cpu() for k, v in model.state_dict().items()},
              os.path.join(args.out, "weights", "checker.safetensors"))


if __name__ == "__main__":
    main()
