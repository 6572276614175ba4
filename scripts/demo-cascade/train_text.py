"""Teaches the small T5 to read the grammar: attention heads ask its output for every attribute of the scene.

The heads are thrown away; what stays is an encoder whose tokens already hold what a picture needs.

    python train_text.py --minutes 1 --tokenizers runs/demo/tokenizers --out runs/demo
"""
import argparse
import os

import torch
from torch import nn

import networks
from data import Pool
from training import Clock, Log, half_precision, masked_cross_entropy, optimizer_for, save_half, setup
from vocabulary import CLASSES, COLUMN


class Reader(nn.Module):
    def __init__(self, width=networks.TEXT_WIDTH):
        super().__init__()
        self.questions = nn.Parameter(torch.randn(len(CLASSES), width))
        self.attend = nn.MultiheadAttention(width, 4, batch_first=True)
        self.answers = nn.ModuleDict({name: nn.Linear(width, n) for name, n in CLASSES.items()})

    def forward(self, tokens, mask):
        found, _ = self.attend(self.questions.expand(len(tokens), -1, -1), tokens, tokens,
                               key_padding_mask=mask == 0, need_weights=False)
        return {name: head(found[:, i]) for i, (name, head) in enumerate(self.answers.items())}


def targets(attributes, name):
    target = attributes[:, COLUMN[name]]
    if name == "relation":
        target = torch.where(attributes[:, COLUMN["relation_told"]] > 0, target, -1)
    return target


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--pool", type=int, default=400000)
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    args = parser.parse_args()
    device = setup(1)
    pool = Pool(args.tokenizers, args.pool, device, seed=1)
    encoder, reader = networks.text_encoder().to(device), Reader().to(device)
    clock = Clock(args.minutes, args.steps, 2e-3)
    optimizer = optimizer_for([{"params": [*encoder.parameters(), *reader.parameters()]}], 2e-3)
    log = Log(os.path.join(args.out, "logs.jsonl"), "text", 100 if not args.steps else 5)
    while clock.tick(optimizer):
        attributes, ids, mask = pool.batch(args.batch)
        ids, mask = ids[:, :40], mask[:, :40]
        with half_precision(device):
            tokens = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            answers = reader(tokens.float(), mask)
        loss = sum(torch.nan_to_num(masked_cross_entropy(answers[n], targets(attributes, n))) for n in CLASSES)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        log.add(args.batch, loss=loss)
    with torch.no_grad():
        attributes, ids, mask = pool.batch(2000)
        answers = reader(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
        for name in CLASSES:
            target = targets(attributes, name)
            known = target >= 0
            print(name, round((answers[name].argmax(1) == target)[known].float().mean().item(), 4))
    save_half(encoder, os.path.join(args.out, "weights", "t5.safetensors"))


if __name__ == "__main__":
    main()
