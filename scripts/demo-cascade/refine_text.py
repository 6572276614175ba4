"""Tells every object's words where the object stands.

After the first training Stage 1 drew the right things but took left for right as often as not: the direction sits in one
token and the object in others, and putting the two together was left to the UNet.  Here the text encoder learns to do it:
its output stays what it was, plus, on the tokens of an object that a sentence places, a fixed vector for left, right, top or
bottom.  The vectors lie where the old output hardly varies.

    python refine_text.py --minutes 5 --out runs/demo
"""
import argparse
import copy
import os
import random

import numpy as np
import sentencepiece
import torch

import captions
import networks
from data import STORED
from training import Clock, Log, load_half, optimizer_for, save_half, setup
from vocabulary import COLUMN

PLACES = [(1, 2), (2, 1), (3, 4), (4, 3)]  # by relation: place of the first and of the second object; 0 is none


def placed_tokens(tokenizer, row, rng):
    """(ids, place of each id) of one caption; the two objects are told apart by marks that never reach the tokenizer."""
    plain, count = captions.thing, [0]

    def marked(row, slot, rng):
        count[0] += 1
        return " ".join(f"\x01{slot}{word}" for word in plain(row, slot, rng).split(" "))

    captions.thing = marked
    try:
        text = captions.caption(row, rng)
    finally:
        captions.thing = plain
    told = row[COLUMN["kind"]] == 1 and row[COLUMN["relation_told"]]
    first, second = PLACES[row[COLUMN["relation"]]] if told else (0, 0)
    ids, places = [], []
    for word in text.split(" "):
        place = 0
        if word.startswith("\x01"):
            place, word = (first if word[1] == "a" else second), word[2:]
        pieces = tokenizer.encode(word)
        ids += pieces
        places += [place] * len(pieces)
    return (ids + [1])[:STORED], (places + [0])[:STORED]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--pool", type=int, default=40000)
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    args = parser.parse_args()
    device = setup(30)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(args.tokenizers, "t5", "spiece.model"))
    rng = random.Random(30)
    ids, places = (np.zeros((args.pool, STORED), np.int64) for _ in range(2))
    for i in range(args.pool):
        row = captions.sample_scene(rng, 0.3, 0.15)
        a, b = placed_tokens(tokenizer, row, rng)
        ids[i, : len(a)], places[i, : len(b)] = a, b
    ids, places = torch.from_numpy(ids).to(device), torch.from_numpy(places).to(device)
    weights = os.path.join(args.out, "weights")
    old = load_half(networks.text_encoder(), os.path.join(weights, "t5.safetensors")).to(device).requires_grad_(False)
    new = copy.deepcopy(old).requires_grad_(True)
    with torch.no_grad():
        sample = ids[:512]
        tokens = old(input_ids=sample, attention_mask=(sample != 0).long()).last_hidden_state[sample != 0]
        _, spread, directions = torch.pca_lowrank(tokens, q=tokens.shape[1])
        size = tokens.square().mean().sqrt() * tokens.shape[1] ** 0.5
        codes = torch.cat([torch.zeros(1, tokens.shape[1], device=device), 0.6 * size * directions[:, -4:].T])
        print("size of a token", size.item(), "spread along the vectors", spread[-4:].tolist(), "of", spread[0].item())
    optimizer = optimizer_for([{"params": list(new.parameters())}], 1e-3, decay=0.0)
    clock, log = Clock(args.minutes, args.steps, 1e-3, warm=50), Log(os.path.join(args.out, "logs.jsonl"), "text-places", 50)
    while clock.tick(optimizer):
        pick = torch.randint(args.pool, (args.batch,), device=device)
        part, place = ids[pick], places[pick]
        longest = int((part != 0).sum(1).max()) + 3
        part, place = part[:, :longest], place[:, :longest]
        mask = (part != 0).long()
        with torch.no_grad():
            target = old(input_ids=part, attention_mask=mask).last_hidden_state + codes[place]
        error = (new(input_ids=part, attention_mask=mask).last_hidden_state - target).square()
        loss = error.mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(new.parameters(), 1.0)
        optimizer.step()
        log.add(args.batch, error=loss, placed=error[place > 0].mean() if (place > 0).any() else loss)
    save_half(new, os.path.join(weights, "t5.safetensors"))


if __name__ == "__main__":
    main()
