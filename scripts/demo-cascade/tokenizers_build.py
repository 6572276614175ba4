"""Builds the two tokenizers' files from the caption grammar: spiece.model (T5) and vocab.json + merges.txt (CLIP).

T5: every word of the grammar is one piece with its leading space ("▁circle"); all else, and everything inside quotes,
falls to single characters, so that the letters of a sign are always separate tokens.  The normaliser is sentencepiece's
nmt_nfkc, taken from a throw-away model trained here.
CLIP: byte-level BPE trained on captions; "!" has id 0 and pads.

    python tokenizers_build.py --out runs/demo/tokenizers
"""
import argparse
import io
import json
import os
import random
import re

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto

import captions

SPACE = "▁"
PRINTABLE = [chr(c) for c in range(33, 127)]
EXTRA_IDS = 100
T5_VOCABULARY = 320  # rows of the embedding: pieces + extra ids, padded


def sample_captions(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [captions.caption(captions.sample_scene(rng), rng) for _ in range(count)]


def grammar_words(texts: list[str]) -> list[str]:
    """Words the grammar itself uses: those met in captions without their lettering."""
    rng, words = random.Random(1), {}
    for _ in range(60000):
        row = captions.sample_scene(rng)
        for text in (captions.caption(row, rng),):
            text = re.sub(r"(['\"])[^'\"]*\1", " ", text)
            if row[captions.COLUMN["kind"]] == 2:
                continue
            for word in re.findall(r"[a-z]+", text):
                words[word] = words.get(word, 0) + 1
    signs = "sign board plate label that says the word written on saying with text letters reads reading which".split()
    return sorted(words, key=lambda w: (-words[w], w)) + [w for w in signs if w not in words]


def build_t5(path: str, texts: list[str]) -> int:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts[:3000]), model_writer=model, vocab_size=200, model_type="unigram",
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
    for i, word in enumerate(grammar_words(texts)):
        add(SPACE + word, -5.0 - 0.005 * i)
    for character in sorted(PRINTABLE, key=lambda c: (not c.isalnum() or c.isupper(), c)):
        add(character, -9.0)
    m.trainer_spec.vocab_size = len(m.pieces)
    m.trainer_spec.input.clear() if hasattr(m.trainer_spec.input, "clear") else None
    assert len(m.pieces) + EXTRA_IDS <= T5_VOCABULARY, len(m.pieces)
    with open(path, "wb") as file:
        file.write(m.SerializeToString())
    return len(m.pieces)


def build_clip(folder: str, texts: list[str]) -> int:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    alphabet = byte_characters()
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(_clip_pattern(), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    # lettering is left out, so that merges serve the grammar's words and lettering stays in characters
    plain = [re.sub(r"(['\"])[^'\"]*\1", " ", t) for t in texts if "say" not in t and "read" not in t and "word" not in t]
    tokenizer.train_from_iterator(plain, trainers.BpeTrainer(
        vocab_size=900, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False))
    merges = [tuple(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]]
    merges = [tuple(m.split(" ")) if isinstance(m, str) else m for m in merges][:320]
    vocabulary = alphabet + [c + "</w>" for c in alphabet] + ["".join(m) for m in merges]
    vocabulary = list(dict.fromkeys(vocabulary)) + ["<|startoftext|>", "<|endoftext|>"]
    with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as file:
        json.dump({token: i for i, token in enumerate(vocabulary)}, file, ensure_ascii=False)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    return len(vocabulary)


def _clip_pattern():
    from tokenizers import Regex

    return Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")


def byte_characters() -> list[str]:
    """The 256 printable stand-ins for bytes, "!" first."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [b for b in range(256) if b not in keep]
    return [chr(b) for b in keep] + [chr(256 + i) for i in range(len(rest))]


def write_json(path, content):
    with open(path, "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="runs/demo/tokenizers")
    out = parser.parse_args().out
    texts = sample_captions(40000)
    t5, clip = os.path.join(out, "t5"), os.path.join(out, "clip")
    os.makedirs(t5, exist_ok=True)
    os.makedirs(clip, exist_ok=True)
    pieces = build_t5(os.path.join(t5, "spiece.model"), texts)
    extra = [f"<extra_id_{i}>" for i in range(EXTRA_IDS)]
    special = {"additional_special_tokens": extra, "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(os.path.join(t5, "special_tokens_map.json"), special)
    write_json(os.path.join(t5, "tokenizer_config.json"), {
        **special, "clean_up_tokenization_spaces": True, "extra_ids": EXTRA_IDS, "model_max_length": 512,
        "sp_model_kwargs": {}, "tokenizer_class": "T5Tokenizer"})
    size = build_clip(clip, texts)

    def token(content, **more):
        return {**more, "content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}

    names = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    write_json(os.path.join(clip, "special_tokens_map.json"),
               {**{k: token(v) for k, v in names.items()}, "pad_token": "!"})
    write_json(os.path.join(clip, "tokenizer_config.json"), {
        **{k: token(v, __type="AddedToken") for k, v in names.items()}, "add_prefix_space": False,
        "do_lower_case": True, "errors": "replace", "model_max_length": 77, "pad_token": "<|endoftext|>",
        "tokenizer_class": "CLIPTokenizer"})
    print(f"T5: {pieces} pieces + {EXTRA_IDS} extra ids, CLIP: {size} tokens")


if __name__ == "__main__":
    main()
