import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { createClipTokenizer } from "../../src/tokenizers/clip-tokenizer.ts";
import { splitClipWords } from "../../src/tokenizers/clip-words.ts";
import { goldenPath } from "../golden.ts";
import { tokenizerFolder } from "./tokenizer-folder.ts";

interface Golden {
  max_length: number;
  vocab_size: number;
  pad: number;
  bos: number;
  eos: number;
  prompts: { text: string; ids: number[]; slow_no_ftfy_ids?: number[] }[];
}

const golden = JSON.parse(readFileSync(goldenPath("tokenizer/clip.json"), "utf8")) as Golden;
const folder = goldenPath("checkpoints/x4-upscaler/tokenizer");
const length = golden.max_length;

describe("the ids of the published pipelines", async () => {
  const tokenizer = await createClipTokenizer(folder);

  test("there are prompts", () => {
    expect(golden.prompts.length).toBeGreaterThan(50);
  });

  test.each(golden.prompts)("$text", ({ text, ids, slow_no_ftfy_ids: slowIds }) => {
    const expectedIds = slowIds ?? ids;
    const { inputIds, attentionMask } = tokenizer.encode(text, length);
    expect(inputIds).toEqual([...expectedIds, ...new Array<number>(length - expectedIds.length).fill(golden.pad)]);
    expect(attentionMask).toEqual(inputIds.map((_, i) => (i < expectedIds.length ? 1 : 0)));
  });

  test("vocabSize", () => {
    expect(tokenizer.vocabSize).toBe(golden.vocab_size);
  });

  test("truncatedText is what the reference's warning shows", () => {
    expect(tokenizer.encode("a cat", 5).truncatedText).toBe("");
    expect(tokenizer.encode("a cat  AND Dog's", 5)).toMatchObject({ truncatedText: "and dog 's" });
  });
});

// Expected: BasicTokenizer and the pattern of transformers 4.57's slow CLIPTokenizer, ftfy not installed.
test.each([
  ["It's 'LL2 34½ Co-OP!?", ["it", "'s", "'ll", "2", "3", "4", "½", "co", "-", "op", "!?"]],
  ["猫cat𠀀豈x", ["猫", "cat", "𠀀", "\uf900".normalize("NFC"), "x"]],
  ["ΟΔΟΣ Σ", ["οδος", "σ"]],
  ["a\u200bb\u00adc\u0085d\u2028e\u3000f\ufffdg", ["abcd", "e", "fg"]],
  ["x\u0345y 'ſ", ["x", "y", "'ſ"]],
  ["cafe\u0301 É", ["café", "é"]],
  ["🩷a \u{1fae8}", ["a"]], // assigned in Unicode 15, after the reference's Unicode 14
  ["<|ENDOFTEXT|><|Startoftext|>", ["<|endoftext|>", "<|startoftext|>"]],
])("words of %j", (text, words) => {
  expect(splitClipWords(text)).toEqual(words);
});

describe("the padding token", () => {
  const paddedWith = async (changes: Record<string, string | null>): Promise<number | undefined> =>
    (await createClipTokenizer(tokenizerFolder("x4-upscaler", changes))).encode("cat", 20).inputIds.at(-1);

  test("special_tokens_map.json wins over tokenizer_config.json", async () => {
    expect(await paddedWith({})).toBe(golden.pad);
  });

  test("tokenizer_config.json, where there is no map", async () => {
    expect(await paddedWith({ "special_tokens_map.json": null })).toBe(golden.eos);
  });

  test("CLIP's own, where there is neither", async () => {
    expect(await paddedWith({ "special_tokens_map.json": null, "tokenizer_config.json": null })).toBe(golden.eos);
  });

  test("the map is not read where the config lists the added tokens", async () => {
    const config = JSON.stringify({ pad_token: "cat</w>", added_tokens_decoder: { 7: { content: "cat</w>" } } });
    expect(await paddedWith({ "tokenizer_config.json": config })).toBe(7);
  });
});

describe("refuses", () => {
  test.each([
    ["vocab.json", null, /vocab\.json does not exist/],
    ["vocab.json", "{", /vocab\.json is not valid JSON/],
    ["vocab.json", '{"a": "b"}', /vocab\.json must map tokens to whole numbers/],
    ["vocab.json", "{}", /vocab\.json must map/],
    ["merges.txt", null, /merges\.txt does not exist/],
    ["merges.txt", "#version: 0.2\ni n\nthree of them\n", /merges\.txt line 3 is not a pair/],
  ])("%s: %j", async (name, content, message) => {
    const unusable = createClipTokenizer(tokenizerFolder("x4-upscaler", { [name]: content }));
    await expect(unusable).rejects.toThrow(CheckpointError);
    await expect(unusable).rejects.toThrow(message);
  });
});

test("a tokenizer.json beside it changes nothing", async () => {
  const tokenizer = await createClipTokenizer(tokenizerFolder("x4-upscaler", { "tokenizer.json": "{}" }));
  expect(tokenizer.encode("日本 cat", 20)).toEqual((await createClipTokenizer(folder)).encode("日本 cat", 20));
});
