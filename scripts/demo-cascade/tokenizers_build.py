"""Builds the T5 tokenizer's files from the caption grammar.

Every word of the grammar is one piece with its leading space ("▁circle"); all else, and everything inside quotes,
falls to single characters, so that the letters of a sign are always separate tokens.  The normaliser is sentencepiece's
nmt_nfkc, taken from a throw-away model trained here.
The upscaler's CLIP tokenizer is copied from models/demo: its byte-level BPE writes any word, and the upscaler hardly needs them.

    python tokenizers_build.py --things things --out runs/demo/tokenizers
"""
import argparse
import io
import json
import os
import random
import shutil

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto

import scenes

SPACE = "▁"
PRINTABLE = [chr(c) for c in range(33, 127)]
EXTRA_IDS = 100
T5_VOCABULARY = 2048  # rows of the embedding: pieces + extra ids, padded


def build_t5(path: str, things: list[dict]) -> int:
    rng, model = random.Random(0), io.BytesIO()
    texts = [scenes.unmark(scenes.caption(scenes.sample(rng, things), rng, things))[0] for _ in range(3000)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, vocab_size=200, model_type="unigram",
        normalization_rule_name="nmt_nfkc", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False,
        minloglevel=2)
    m = proto.ModelProto()
    m.ParseFromString(model.getvalue())
    del m.pieces[:]
    kind = proto.ModelProto.SentencePiece

    def add(piece, score, piece_type=kind.NORMAL):
        m.pieces.add(piece=piece, score=score, type=piece_type)

    add("<pad>", 0.0, kind.CONTROL)
    add("</s>", 0.0, kind.CONTROL)
    add("<unk>", 0.0, kind.UNKNOWN)
    add(SPACE, -4.0)
    for i, word in enumerate(scenes.known_words(things)):
        add(SPACE + word, -5.0 - 0.0005 * i)
    for character in sorted(PRINTABLE, key=lambda c: (not c.isalnum() or c.isupper(), c)):
        add(character, -9.0)
    m.trainer_spec.vocab_size = len(m.pieces)
    m.trainer_spec.input.clear() if hasattr(m.trainer_spec.input, "clear") else None
    assert len(m.pieces) + EXTRA_IDS <= T5_VOCABULARY, len(m.pieces)
    with open(path, "wb") as file:
        file.write(m.SerializeToString())
    return len(m.pieces)


def write_json(path, content):
    with open(path, "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--things", default="things")
    parser.add_argument("--clip", default="../../models/demo/x4-upscaler/tokenizer")
    parser.add_argument("--out", default="runs/demo/tokenizers")
    args = parser.parse_args()
    t5, clip = os.path.join(args.out, "t5"), os.path.join(args.out, "clip")
    os.makedirs(t5, exist_ok=True)
    shutil.copytree(args.clip, clip, dirs_exist_ok=True)
    pieces = build_t5(os.path.join(t5, "spiece.model"), scenes.load_things(args.things))
    extra = [f"<extra_id_{i}>" for i in range(EXTRA_IDS)]
    special = {"additional_special_tokens": extra, "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(os.path.join(t5, "special_tokens_map.json"), special)
    write_json(os.path.join(t5, "tokenizer_config.json"), {
        **special, "clean_up_tokenization_spaces": True, "extra_ids": EXTRA_IDS, "model_max_length": 512,
        "sp_model_kwargs": {}, "tokenizer_class": "T5Tokenizer"})
    print(f"T5: {pieces} pieces + {EXTRA_IDS} extra ids")


if __name__ == "__main__":
    main()
