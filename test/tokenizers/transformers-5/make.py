"""Saves the golden checkpoints' tokenizers as transformers 5 does (tokenizer.json alone) and what ids it gives for the golden
prompts and some odd ones. Run in test/tokenizers/transformers-5 with transformers 5.24, tokenizers 0.23, sentencepiece 0.2."""

import json
from pathlib import Path

from transformers import CLIPTokenizer, T5Tokenizer

GOLDEN = Path("../../golden")
ODD = [
    "ﬁne ＡＢＣ １２３", "line\u2028 \u0085nel", "zero\u200bwidth", "a\u00a0b", "日本 cat", "ΟΔΟΣ Σ", "It's 'LL2 34½ Co-OP!?",
    "tab\tand\nline", "  two  spaces  ", "<extra_id_0> x <extra_id_1>", "x</s>", "</s>", "<unk> a <pad>", "", " ", "🩷 heart",
    "a\u0301 e\u0301", "<|endoftext|> x", "x <|ENDOFTEXT|>", "ﷺ", "q̃ ½ ²", "ⅷ", "𝒜bc", "İstanbul", "a▁b", "▁▁",
]


def main() -> None:
    for name, golden, cls, folder in [
        ("t5", "t5.json", T5Tokenizer, "checkpoints/if-i/tokenizer"),
        ("clip", "clip.json", CLIPTokenizer, "checkpoints/x4-upscaler/tokenizer"),
    ]:
        tokenizer = cls.from_pretrained(GOLDEN / folder)
        out = Path(name)
        tokenizer.save_pretrained(out)
        again = cls.from_pretrained(out)
        prompts = [p["text"] for p in json.loads((GOLDEN / "tokenizer" / golden).read_text())["prompts"]] + ODD
        ids = [
            {"text": text, "ids": again(text, padding="max_length", max_length=77, truncation=True).input_ids}
            for text in prompts
        ]
        for entry in ids:  # without the padding at the end, which is said once
            while len(entry["ids"]) > 1 and entry["ids"][-1] == entry["ids"][-2] == again.pad_token_id:
                entry["ids"].pop()
        result = {"pad": again.pad_token_id, "vocab_size": len(again), "prompts": ids}
        Path(f"{name}-ids.json").write_text(json.dumps(result, ensure_ascii=True, indent=None).replace('{"text"', '\n{"text"') + "\n")


main()
