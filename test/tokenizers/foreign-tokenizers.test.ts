/** A quick sample of each kind of hostile tokenizer file and prompt; scripts/torture measures many. */

import { describe, expect, test } from "vitest";
import { CheckpointError, UsageError } from "../../src/errors.ts";
import { preprocessCaption } from "../../src/tokenizers/clean-caption.ts";
import { createClipTokenizer } from "../../src/tokenizers/clip-tokenizer.ts";
import { createT5Tokenizer } from "../../src/tokenizers/t5-tokenizer.ts";
import { goldenPath } from "../golden.ts";
import { kinds, tokenizerFolder, writeSpieceModel } from "./tokenizer-folder.ts";

const many = (count: number): string =>
  JSON.stringify({ additional_special_tokens: Array.from({ length: count }, (_, i) => `<${i}>`) });

test.each<[string, string, string | Uint8Array, RegExp]>([
  ["3,000,000 extra ids", "tokenizer_config.json", '{"extra_ids":3000000}', /adds 3000000 tokens of its own; 4096/],
  ["extra ids that are no number of tokens", "tokenizer_config.json", '{"extra_ids":1.5}', /no whole number/],
  ["more special tokens than a text has letters", "tokenizer_config.json", many(5000), /adds 5000 tokens/],
  ["a token of nothing", "tokenizer_config.json", '{"pad_token":""}', /neither a string nor a token/],
  ["a token of a million letters", "tokenizer_config.json", JSON.stringify({ pad_token: "x".repeat(1e6) }), /neither/],
  ["an id beyond every embedding", "added_tokens.json", '{"<x>":9007199254740991}', /no whole number up to/],
  ["nested JSON", "special_tokens_map.json", "[".repeat(1_000_000), /more than 32 deep/],
  [
    "a piece that is a book",
    "spiece.model",
    writeSpieceModel([
      ["<unk>", 0, kinds.unknown],
      ["x".repeat(9999), 0, kinds.normal],
    ]),
    /no part of a word/,
  ],
  [
    "pieces without end",
    "spiece.model",
    Buffer.alloc(2_000_000, Buffer.from([0x0a, 3, 0x0a, 1, 0x61])),
    /protobuf is damaged/,
  ],
])("%s", async (_, name, content, message) => {
  const reading = createT5Tokenizer(tokenizerFolder("if-i", { "special_tokens_map.json": null, [name]: content }));
  await expect(reading).rejects.toThrow(CheckpointError);
  await expect(reading).rejects.toThrow(message);
});

describe("a prompt", () => {
  test("beyond every prompt is refused by whoever reads it", async () => {
    const long = "a".repeat(125_000);
    const t5 = await createT5Tokenizer(goldenPath("checkpoints/if-i/tokenizer"));
    const clip = await createClipTokenizer(goldenPath("checkpoints/x4-upscaler/tokenizer"));
    for (const read of [
      () => preprocessCaption(long, { cleanCaption: true }),
      () => preprocessCaption(long, { cleanCaption: false }),
      () => t5.encode(long, 77),
      () => clip.encode(long, 77),
    ]) {
      expect(read).toThrow(UsageError);
      expect(read).toThrow(/has 125000 characters, and at most 10000 are read/);
    }
  });

  test("of 10,000 characters is read whole", async () => {
    const t5 = await createT5Tokenizer(goldenPath("checkpoints/if-i/tokenizer"));
    const words = "a photo of a cat ".repeat(588);
    expect(t5.encode(words, 77).inputIds).toHaveLength(77);
    expect(t5.encode(words, 77).truncatedText.length).toBeGreaterThan(9000);
  });

  // patterns that start where a run starts, and the same ones without that: what Python's re.sub gives
  test.each([
    ["see a.png b.jpg.png.webp and x.pngy", "see and y"],
    [".png .png.png x", ". x"],
    ["a  .  . b", "a b"],
    [`x${" ".repeat(300)}y`, "x y"],
  ])("%j is cleaned as before", (text, cleaned) => {
    expect(preprocessCaption(text, { cleanCaption: true })).toBe(cleaned);
  });
});
