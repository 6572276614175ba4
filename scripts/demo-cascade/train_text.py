"""Teaches the small T5 to read the grammar: linear heads ask tokens of its output for the whole scene.

Objects are asked for by place (left or top one first), so that Stage 1 need not turn sentences round.  That depends on the
order of the sentence and on its preposition together, which is not found by itself: tokens are also asked for the objects as
they are mentioned, whether that order is turned round, and an object's own words for its place, name, colour and size.  A
letter's token is asked which letter of the sign it is, and which letters it stands for: the second word of a sign may be one token.  Padding is asked too: Stage 1 sees it.  The heads are thrown away.

    python train_text.py --minutes 10 --tokenizers runs/demo/tokenizers --out runs/demo
    python train_text.py --resume --keep 5 ...    # teaches more; a Stage 1 that was trained with the encoder still understands it
"""
import argparse
import copy
import os

import torch
import torch.nn.functional as F
from torch import nn

import networks
from data import Pool, canonical
from scenes import COLUMN, FIRST_THING, LETTERS, LONG, LONGEST, TWO, load_things
from training import Clock, Log, add_shared_options, half_precision, load_half, optimizer_for, save_half, setup

SAMPLED = 8  # tokens asked for the scene, of each caption


def questions(things: int):
    """{question: number of answers}."""
    objects, colours = FIRST_THING + things, 11
    own = {"object": objects, "colour": colours, "size": 3}
    return {"style": 5, "ground": 11, "kind": 3, "count": 7, "relation": 2, "turned": 2, "length_0": LONGEST + 1, "length_1": LONGEST + 1,
            **{f"{name}_{slot}": n for slot in "ab" for name, n in own.items()},
            **{f"mentioned_{name}_{slot}": n for slot in "ab" for name, n in own.items()}}


def targets(rows, asked):
    """(B, questions) class indices, -1 where a question has no answer."""
    def fields(rows, prefix=""):
        found = {}
        for slot in "ab":
            number, colour, size = (rows[:, COLUMN[f"{name}_{slot}"]] for name in ("object", "colour", "size"))
            found[f"{prefix}object_{slot}"], found[f"{prefix}size_{slot}"] = number, size
            found[f"{prefix}colour_{slot}"] = torch.where(number < 0, -1, torch.where(colour < 0, 10, colour))
        return found

    told, relation = rows[:, COLUMN["ground_told"]], rows[:, COLUMN["relation"]]
    columns = {name: rows[:, COLUMN[name]] for name in ("style", "kind", "count", "length_0", "length_1")}
    columns |= {"ground": torch.where(told > 0, rows[:, COLUMN["ground"]], 10),
                "relation": torch.where(relation >= 0, relation // 2, -1), "turned": torch.where(relation >= 0, relation % 2, -1)}
    columns |= fields(canonical(rows)) | fields(rows, "mentioned_")
    return torch.stack([columns[name] for name in asked], 1)


def spelling(rows, places):
    """(B,T,LONGEST) letters that each token of a sign stands for, `len(LETTERS)` behind the last one; -1 for other tokens."""
    _, letter, count = places
    letters = rows[:, COLUMN["letter_0"] : COLUMN["letter_0"] + 2 * LONGEST]
    at = torch.arange(LONGEST, device=rows.device)
    index = (letter[..., None] + at).clamp(0, 2 * LONGEST - 1)
    found = letters[:, None, :].expand(-1, letter.shape[1], -1).gather(2, index)
    return torch.where(letter[..., None] < 0, -1, torch.where(at < count[..., None], found, len(LETTERS)))


class Heads(nn.Module):
    def __init__(self, things, width=networks.TEXT_WIDTH):
        super().__init__()
        self.asked = questions(things)
        self.scene = nn.Linear(width, sum(self.asked.values()))
        self.own = nn.ModuleDict({"object": nn.Linear(width, FIRST_THING + things), "colour": nn.Linear(width, 11),
                                  "size": nn.Linear(width, 3), "place": nn.Linear(width, 2)})
        self.slot = nn.Linear(width, 2 * LONGEST)
        self.spelling = nn.Linear(width, LONGEST * (len(LETTERS) + 1))

    def answers(self, tokens):
        return zip(self.asked, self.scene(tokens).float().split(list(self.asked.values()), -1))

    def loss(self, tokens, rows, places):
        """tokens (B,T,width); places (3,B,T): object mentioned, letter begun, letters spelt."""
        batch, length, width = tokens.shape
        wanted, total = targets(rows, self.asked), 0.0
        some = torch.randint(length, (batch, SAMPLED), device=tokens.device)
        sampled = tokens.gather(1, some[..., None].expand(-1, -1, width))
        for i, (name, logits) in enumerate(self.answers(sampled)):
            goal = wanted[:, i, None].expand(-1, SAMPLED).flatten()
            loss = F.cross_entropy(logits.flatten(0, 1), goal, ignore_index=-1, reduction="none").sum()
            known = (goal >= 0).float()
            total = total + loss / known.sum().clamp(min=1) * known.mean().sqrt()
        mentioned, letter, _ = places
        second = (mentioned == 1).long()
        relation = rows[:, COLUMN["relation"], None]
        turned = (relation >= 0) & (relation % 2 == 1) & (rows[:, COLUMN["kind"], None] == TWO)
        goals = {"place": (second + turned.long()) % 2}
        for name in ("object", "colour", "size"):
            a, b = (rows[:, COLUMN[f"{name}_{slot}"], None] for slot in "ab")
            goals[name] = torch.where(second > 0, b, a)
        goals["colour"] = torch.where(goals["colour"] < 0, 10, goals["colour"])
        for name, goal in goals.items():
            goal = torch.where(mentioned >= 0, goal, -1)
            total = total + F.cross_entropy(self.own[name](tokens).float().flatten(0, 1), goal.flatten(), ignore_index=-1)
        total = total + F.cross_entropy(self.spelt(tokens).float().flatten(0, 2), spelling(rows, places).flatten(), ignore_index=-1)
        return total + 2 * F.cross_entropy(self.slot(tokens).float().flatten(0, 1), letter.flatten(), ignore_index=-1)

    def spelt(self, tokens):
        """(B,T,width) -> (B,T,LONGEST,letters and none)."""
        return self.spelling(tokens).unflatten(-1, (LONGEST, len(LETTERS) + 1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--muon", type=float, default=0.02)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--pool", type=int, default=200000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--signs", type=float, default=0.22, help="share of signs")
    parser.add_argument("--keep", type=float, default=0.0, help="weight of tokens staying as they were, but for those that spell a word")
    add_shared_options(parser, "steps", "start", "second", "compiled", "things", "tokenizers", "out")
    args = parser.parse_args()
    things = len(load_things(args.things))
    pool = Pool(args.tokenizers, args.things, args.pool, "cpu", args.seed, common={"signs": args.signs, "second": args.second})
    device = setup(args.seed)
    pool.to(device)
    weights = os.path.join(args.out, "weights")
    encoder, heads = networks.text_encoder().to(device), Heads(things).to(device)
    if args.resume:
        load_half(encoder, os.path.join(weights, "t5.safetensors"))
        if os.path.exists(path := os.path.join(weights, "t5-heads.safetensors")):  # of this program as it is now
            load_half(heads, path)
    else:
        torch.nn.init.normal_(encoder.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight, std=1.0)

    before = copy.deepcopy(encoder).requires_grad_(False) if args.keep else None

    def tokens_of(encoder, ids):
        return encoder(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state

    def step(ids, rows, places):
        tokens = tokens_of(encoder, ids)
        loss = heads.loss(tokens, rows, places)
        if before is None:
            return loss
        moved = (tokens - tokens_of(before, ids)).float().square().mean(-1)
        return loss + args.keep * (moved * (places[2] <= 1)).mean()

    run = torch.compile(step) if args.compiled else step
    clock = Clock(args.minutes, args.steps, args.rate, warm=100, start=args.start)
    optimizer = optimizer_for([encoder, heads], args.rate, args.muon)
    log = Log(os.path.join(args.out, "logs.jsonl"), "text", 50)

    def save():
        save_half(encoder, os.path.join(weights, "t5.safetensors"))
        save_half(heads, os.path.join(weights, "t5-heads.safetensors"))

    while clock.tick(optimizer):
        index = pool.pick(args.batch)
        with half_precision(device):
            loss = run(pool.ids[index].long(), pool.rows[index].long(), pool.places[:, index].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.add(args.batch, loss=loss)
        if log.step % 500 == 0:
            save()
    save()
    with torch.no_grad():
        index = pool.pick(2000)
        rows, ids, places = pool.rows[index].long(), pool.ids[index].long(), pool.places[:, index].long()
        tokens = tokens_of(encoder, ids)
        wanted, report = targets(rows, heads.asked), {}
        for i, (name, logits) in enumerate(heads.answers(tokens)):
            known = wanted[:, i] >= 0
            right = logits[known].argmax(-1) == wanted[known, i, None]
            report[name] = round(right.float().mean().item(), 4)
        known = places[1] >= 0
        report["slot"] = round((heads.slot(tokens)[known].argmax(-1) == places[1][known]).float().mean().item(), 4)
        goal = spelling(rows, places)
        for name, some in (("spelt alone", places[2] == 1), ("spelt in words", places[2] > 1), ("in long words", places[2] >= LONG)):
            asked = goal[some] >= 0
            right = heads.spelt(tokens)[some].argmax(-1) == goal[some]
            report[name] = round((right | ~asked).all(-1).float().mean().item(), 4)
        print("all tokens of 2,000 captions:", report, flush=True)


if __name__ == "__main__":
    main()
