"""Teaches the small T5 to read the grammar: linear heads ask every token of its output for the whole scene.

Objects are asked for by place (left or top one first), so that Stage 1 need not turn sentences round.  That depends on the
order of the sentence and on its preposition together, which is not found by itself: the tokens are also asked for the
objects as they are mentioned, whether that order is turned round, and on an object's own words for its place.  A letter's
token is asked which letter of the sign it is.  Padding is asked too: Stage 1 sees it.  The heads are thrown away.

    python train_text.py --minutes 10 --tokenizers runs/demo/tokenizers --out runs/demo
"""
import argparse
import os

import sentencepiece
import torch
import torch.nn.functional as F
from torch import nn

import networks
from checker import canonical
from data import STORED, Pool
from training import Clock, Log, half_precision, load_half, optimizer_for, save_half, setup
from vocabulary import CLASSES, COLOURS, COLUMN, LETTERS, SHAPES

OF_OBJECTS = [name for name in CLASSES if name[-2:] in ("_a", "_b")]
# relation: 0 beside each other, 1 one above the other
ASKED = {**CLASSES, "relation": 2, "turned": 2, **{f"mentioned_{name}": CLASSES[name] for name in OF_OBJECTS}}


def targets(attributes):
    """(B, questions) class indices, -1 where a question has no answer."""
    placed, relation = canonical(attributes), attributes[:, COLUMN["relation"]]
    columns = {name: placed[:, COLUMN[name]] for name in CLASSES}
    columns |= {"relation": torch.where(relation >= 0, relation // 2, -1), "turned": torch.where(relation >= 0, relation % 2, -1)}
    columns |= {f"mentioned_{name}": attributes[:, COLUMN[name]] for name in OF_OBJECTS}
    return torch.stack([columns[name] for name in ASKED], 1)


def object_places(ids, attributes, is_shape, is_adjective):
    """(B, tokens): on the words of an object 0 (left, top, alone) or 1 (right, below), else -1."""
    shape, adjective = is_shape[ids], is_adjective[ids]
    before = lambda mask: F.pad(mask[:, 1:], (0, 1))  # noqa: E731
    one_before = before(shape) & adjective
    own = shape | one_before | (before(one_before) & adjective)
    mentioned = shape.long().cumsum(1) - shape.long()  # shapes named so far
    turned = (attributes[:, COLUMN["relation"]].clamp(min=0) % 2)[:, None]
    return torch.where(own & (attributes[:, COLUMN["kind"]] < 2)[:, None], (mentioned.clamp(max=1) + turned) % 2, -1)


def letter_slots(ids, attributes, letter_of):
    """(B, tokens): 0 to 3 where a token is that letter of the sign, else -1."""
    batch, length = ids.shape
    read = letter_of[ids]
    word = attributes[:, COLUMN["letter_0"] : COLUMN["letter_3"] + 1]
    count = attributes[:, COLUMN["letters"]].clamp(min=0)
    slots = torch.full_like(ids, -1)
    padded = F.pad(read, (0, 4), value=-1)
    fits = torch.stack([(padded[:, k : k + length] == word[:, k : k + 1]) | (count[:, None] <= k) for k in range(4)]).all(0)
    fits &= (count[:, None] > 0)
    # the last place where the word fits: articles and the like come before
    last = torch.where(fits, torch.arange(length), -1).amax(1)
    for k in range(4):
        has = (count > k) & (last >= 0)
        slots[torch.arange(batch)[has], (last + k)[has]] = k
    return slots


class Heads(nn.Module):
    def __init__(self, width=networks.TEXT_WIDTH):
        super().__init__()
        self.scene, self.slot, self.place = (nn.Linear(width, n) for n in (sum(ASKED.values()), 4, 2))

    def loss(self, tokens, wanted, slots, places):
        answers = self.scene(tokens).float().split(list(ASKED.values()), -1)
        total = 0.0
        for i, logits in enumerate(answers):
            known = wanted[:, i] >= 0
            if known.any():
                goal = wanted[known, i, None].expand(-1, tokens.shape[1])
                total = total + F.cross_entropy(logits[known].flatten(0, 1), goal.flatten()) * known.float().mean().sqrt()
        total = total + F.cross_entropy(self.slot(tokens).float().flatten(0, 1), slots.flatten(), ignore_index=-1)
        return total + 2 * F.cross_entropy(self.place(tokens).float().flatten(0, 1), places.flatten(), ignore_index=-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--muon", type=float, default=0.02)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--pool", type=int, default=200000)
    parser.add_argument("--tokenizers", default="runs/demo/tokenizers")
    parser.add_argument("--out", default="runs/demo")
    args = parser.parse_args()
    device = setup(1)
    pool = Pool(args.tokenizers, args.pool, device, seed=1)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(args.tokenizers, "t5", "spiece.model"))
    pieces = [tokenizer.id_to_piece(i).removeprefix("\u2581").upper() for i in range(tokenizer.get_piece_size())]
    letter_of = torch.full((networks.T5_VOCABULARY,), -2)
    for i, piece in enumerate(pieces):
        if len(piece) == 1 and piece in LETTERS:
            letter_of[i] = LETTERS.index(piece)
    is_shape = torch.tensor([i < len(pieces) and pieces[i].lower() in SHAPES for i in range(networks.T5_VOCABULARY)])
    adjectives = {*COLOURS, "grey", *"medium small little tiny large big huge".split()}
    is_adjective = torch.tensor([i < len(pieces) and pieces[i].lower() in adjectives for i in range(networks.T5_VOCABULARY)])
    encoder, heads = networks.text_encoder().to(device), Heads().to(device)
    if args.resume:
        load_half(encoder, os.path.join(args.out, "weights", "t5.safetensors"))
    else:
        torch.nn.init.normal_(encoder.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight, std=1.0)
    clock = Clock(args.minutes, args.steps, 2e-3, warm=100)
    optimizer = optimizer_for([encoder, heads], 2e-3, args.muon)
    log = Log(os.path.join(args.out, "logs.jsonl"), "text", 50)
    while clock.tick(optimizer):
        attributes, ids, _ = pool.batch(args.batch)
        length = min(STORED, int((ids != 0).sum(1).max()) + 2)
        ids = ids[:, :length]
        with half_precision(device):
            tokens = encoder(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state
            loss = heads.loss(tokens, targets(attributes), letter_slots(ids, attributes, letter_of),
                              object_places(ids, attributes, is_shape, is_adjective))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.add(args.batch, loss=loss)
    with torch.no_grad():
        attributes, ids, mask = pool.batch(1000)
        answers = heads.scene(encoder(input_ids=ids, attention_mask=mask).last_hidden_state)
        wanted = targets(attributes)
        for i, (name, logits) in enumerate(zip(ASKED, answers.split(list(ASKED.values()), -1))):
            known = wanted[:, i] >= 0
            right = logits[known].argmax(-1) == wanted[known, i, None]
            print(name, round(right.float().mean().item(), 4), "last token", round(right[:, -1].float().mean().item(), 4))
    save_half(encoder, os.path.join(args.out, "weights", "t5.safetensors"))


if __name__ == "__main__":
    main()
