"""A network that reads a 64 px picture: it knows drawings, never prompts, and so can judge what the cascade made.

    python checker.py --minutes 4 --out runs/demo
"""
import argparse
import os

import torch
import torch.nn.functional as F
from torch import nn

import scenes
from compose import Composer, load_sprites
from data import Pool, canonical, degrade
from rings import Ring, from_bytes, small_pictures
from scenes import COLUMN, FIRST_THING, LONGEST, SIGN
from training import Average, Clock, Log, add_shared_options, half_precision, load_half, optimizer_for, save_half, setup


def classes(things: int):
    """{question: number of answers}."""
    return {"style": 5, "ground": 10, "kind": 3, "count": 7, "relation": 2,
            **{f"{name}_{slot}": n for slot in "ab" for name, n in (("object", FIRST_THING + things), ("colour", 10), ("size", 3))},
            "length_0": LONGEST + 1, "length_1": LONGEST + 1, **{f"letter_{i}": 36 for i in range(2 * LONGEST)}}


def answers(rows):
    """{question: (B,)}, -1 where a picture does not tell."""
    rows = canonical(rows)
    found = {name: rows[:, COLUMN[name]] for name in COLUMN if name not in ("ground_told", "relation")}
    relation = rows[:, COLUMN["relation"]]
    found["relation"] = torch.where((relation < 0) | (rows[:, COLUMN["kind"]] != scenes.TWO), -1, relation // 2)
    signed = (rows[:, COLUMN["object_a"]] == SIGN) | (rows[:, COLUMN["object_b"]] == SIGN)
    for i in range(2):
        found[f"length_{i}"] = torch.where(signed, found[f"length_{i}"], -1)
    return found


class Block(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.a, self.b = nn.Conv2d(inside, outside, 3, stride, 1), nn.Conv2d(outside, outside, 3, 1, 1)
        self.skip = nn.Conv2d(inside, outside, 1, stride)
        self.na, self.nb = nn.GroupNorm(8, inside), nn.GroupNorm(8, outside)

    def forward(self, x):
        h = self.a(F.silu(self.na(x)))
        return self.skip(x) + self.b(F.silu(self.nb(h)))


class Checker(nn.Module):
    def __init__(self, things):
        super().__init__()
        self.first = nn.Conv2d(3, 64, 3, 1, 1)
        self.blocks = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1), Block(128, 256, 2), Block(256, 256, 1), Block(256, 384, 2), Block(384, 384, 1))
        self.squeeze = nn.Conv2d(384, 96, 1)
        self.hidden = nn.Linear(96 * 64, 1024)
        self.heads = nn.ModuleDict({name: nn.Linear(1024, n) for name, n in classes(things).items()})

    def forward(self, picture):
        h = F.silu(self.squeeze(F.silu(self.blocks(self.first(picture)))))
        h = F.silu(self.hidden(h.flatten(1)))
        return {name: head(h) for name, head in self.heads.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--pool", type=int, default=4000000, help="scenes; of 200,000 it learnt the scenes, not to read")
    parser.add_argument("--ring", type=int, default=200000, help="drawn pictures that wait on the GPU, 12 kB each")
    parser.add_argument("--resume", action="store_true", help="go on from checker.safetensors")
    parser.add_argument("--signs", type=float, default=0.22, help="share of signs among the scenes")
    parser.add_argument("--keep-every", type=int, default=2000, help="save weights every so many steps")
    add_shared_options(parser, "steps", "compiled", "start", "side", "things", "out")
    args = parser.parse_args()
    looks, things = load_sprites(args.things, args.side), len(scenes.load_things(args.things))
    pool = Pool(None, args.things, args.pool, "cpu", seed=20 + args.resume, common={"signs": args.signs})
    device = setup(20)
    pool.to(device)
    composer = Composer(args.things, device, looks)
    model = Checker(things).to(device).to(memory_format=torch.channels_last)
    if args.resume:
        load_half(model, os.path.join(args.out, "weights", "checker.safetensors"))
    optimizer = optimizer_for([model], 1e-3, 0.01, plain=("first", "heads"))
    average = Average({"checker": model}, 0.995)
    log = Log(os.path.join(args.out, "logs.jsonl"), "checker", 100)
    ring = Ring(small_pictures(pool, composer), args.ring, min(2048, args.ring))
    clock = Clock(args.minutes, args.steps, 1e-3, start=args.start, until=os.path.join(args.out, "until-checker"))

    @torch.no_grad()
    def with_answers(drawn, pool):
        """Drawn pictures of a pool's scenes, (B,3,64,64), and what they show."""
        return from_bytes(drawn["picture"]), answers(pool.rows[drawn["index"]].long())

    def loss_of(picture, target):
        with half_precision(device):
            seen = model(picture.contiguous(memory_format=torch.channels_last))
        return sum(torch.nan_to_num(F.cross_entropy(logits.float(), target[name], ignore_index=-1)) for name, logits in seen.items())

    def keep():
        average.swap()
        save_half(model, os.path.join(args.out, "weights", "checker.safetensors"))
        average.swap()

    asked = torch.compile(loss_of, dynamic=False) if args.compiled else loss_of
    while clock.tick(optimizer):
        if log.step % 8 == 0:
            ring.renew(args.batch)
        picture, target = with_answers(ring.batch(args.batch), pool)
        loss = asked(degrade(picture, 1.5, 0.2), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()
        log.add(args.batch, loss=loss)
        if log.step % args.keep_every == 0:
            keep()
    keep()
    average.swap()
    fresh = Pool(None, args.things, 8 * 512, "cpu", seed=19).to(device)  # scenes that it has not met
    draw = small_pictures(fresh, composer)
    right, known = dict.fromkeys(model.heads, 0), dict.fromkeys(model.heads, 0)
    with torch.no_grad():
        for _ in range(8):
            picture, target = with_answers(draw(min(512, args.batch)), fresh)
            for name, logits in model(picture).items():
                right[name] += ((logits.argmax(1) == target[name]) & (target[name] >= 0)).sum().item()
                known[name] += (target[name] >= 0).sum().item()
    print("right on fresh drawings:", {n: round(right[n] / max(known[n], 1), 4) for n in right}, flush=True)


if __name__ == "__main__":
    main()
