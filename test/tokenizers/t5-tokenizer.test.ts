import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { createT5Tokenizer } from "../../src/tokenizers/t5-tokenizer.ts";
import { goldenPath } from "../golden.ts";
import { kinds, tokenizerFolder, writeSpieceModel } from "./tokenizer-folder.ts";

interface Golden {
  max_length: number;
  vocab_with_extra_ids: number;
  prompts: { text: string; ids: number[]; slow_legacy_ids?: number[] }[];
}

const golden = JSON.parse(readFileSync(goldenPath("tokenizer/t5.json"), "utf8")) as Golden;
const folder = goldenPath("checkpoints/if-i/tokenizer");
const length = golden.max_length;

describe("the ids of the published pipelines", async () => {
  const tokenizer = await createT5Tokenizer(folder);

  test("there are prompts", () => {
    expect(golden.prompts.length).toBeGreaterThan(50);
  });

  test.each(golden.prompts)("$text", ({ text, ids, slow_legacy_ids: slowIds }) => {
    const expectedIds = slowIds ?? ids;
    const { inputIds, attentionMask } = tokenizer.encode(text, length);
    expect(inputIds).toEqual([...expectedIds, ...new Array<number>(length - expectedIds.length).fill(0)]);
    expect(attentionMask).toEqual(inputIds.map((_, i) => (i < expectedIds.length ? 1 : 0)));
  });

  test("vocabSize counts the sentinels", () => {
    expect(tokenizer.vocabSize).toBe(golden.vocab_with_extra_ids);
  });

  test("a sentinel takes the white space around it along, Python's white space", () => {
    const ids = (text: string): number[] => tokenizer.encode(text, 8).inputIds;
    expect(ids("a \u0085<extra_id_0>\u001c\n cat")).toEqual(ids("a<extra_id_0>cat"));
    expect(ids("a<extra_id_0>cat")).toEqual([5, 1099, 254, 1, 0, 0, 0, 0]);
  });

  test("an end that the text spells is not doubled, even where truncation finds it", () => {
    expect(tokenizer.encode("a</s>", 4).inputIds).toEqual([5, 1, 0, 0]);
    expect(tokenizer.encode("a</s>a a", 3)).toEqual({
      inputIds: [5, 1, 0],
      attentionMask: [1, 1, 0],
      truncatedText: "a a",
    });
  });
});

describe("truncatedText", async () => {
  const tokenizer = await createT5Tokenizer(folder);

  test("is empty when all fits, to the last place", () => {
    expect(tokenizer.encode("a a a", 4)).toMatchObject({ inputIds: [5, 5, 5, 1], truncatedText: "" });
  });

  test("is what the reference's warning shows", () => {
    expect(tokenizer.encode("a cat ab ab", 3).truncatedText).toBe("ab ab");
    expect(tokenizer.encode("a cat 😀 of <extra_id_3> the , dog", 3).truncatedText).toMatch(
      /^<unk>of <extra_id_3> the,/,
    );
  });
});

describe("refuses", () => {
  const unusable = (change: string | Uint8Array | null): Promise<unknown> =>
    createT5Tokenizer(tokenizerFolder("if-i", { "spiece.model": change }));

  test.each([
    ["a missing file", null, /spiece\.model does not exist/],
    [
      "no protobuf",
      "version https://git-lfs.github.com/spec/v1\n",
      /spiece\.model is not a usable SentencePiece model/,
    ],
    ["an empty file", "", /holds no pieces/],
    ["no unknown piece", writeSpieceModel([["a", -1, kinds.normal]]), /no unknown piece/],
    ["a BPE model", writeSpieceModel([["<unk>", 0, kinds.unknown]], { modelType: 2 }), /not a unigram model/],
    ["too few byte pieces", writeSpieceModel([["<unk>", 0, kinds.unknown]], { byteFallback: true }), /256 byte pieces/],
  ])("%s", async (_, change, message) => {
    await expect(unusable(change)).rejects.toThrow(CheckpointError);
    await expect(unusable(change)).rejects.toThrow(message);
  });

  test("a file cut short, wherever", async () => {
    const whole = readFileSync(goldenPath("checkpoints/if-i/tokenizer/spiece.model"));
    for (const share of [0.001, 0.05, 0.5, 0.97]) {
      await expect(unusable(whole.subarray(0, Math.floor(whole.length * share)))).rejects.toThrow(CheckpointError);
    }
  });

  test.each(["tokenizer_config.json", "special_tokens_map.json"])("a broken %s", async (name) => {
    await expect(createT5Tokenizer(tokenizerFolder("if-i", { [name]: "{" }))).rejects.toThrow(
      `${name} is not valid JSON`,
    );
    await expect(createT5Tokenizer(tokenizerFolder("if-i", { [name]: "[]" }))).rejects.toThrow(CheckpointError);
    const wrong = { "special_tokens_map.json": null, [name]: JSON.stringify({ eos_token: 3 }) };
    await expect(createT5Tokenizer(tokenizerFolder("if-i", wrong))).rejects.toThrow(/"eos_token"/);
  });
});

test("a tokenizer.json beside it changes nothing, and the JSON files are not needed", async () => {
  const changes = { "tokenizer.json": "{}", "tokenizer_config.json": null, "special_tokens_map.json": null };
  const tokenizer = await createT5Tokenizer(tokenizerFolder("if-i", changes));
  const text = "line\u2028 \u0085nel <extra_id_0>";
  expect(tokenizer.encode(text, 20)).toEqual((await createT5Tokenizer(folder)).encode(text, 20));
});

test("tokens a checkpoint adds itself", async () => {
  const config = JSON.stringify({
    additional_special_tokens: [{ content: "<a-b.[c]>", lstrip: true, rstrip: false }],
    extra_ids: 0,
    added_tokens_decoder: { 1007: { content: "<late>" } },
  });
  const tokenizer = await createT5Tokenizer(tokenizerFolder("if-i", { "tokenizer_config.json": config }));
  expect(tokenizer.vocabSize).toBe(1008);
  expect(tokenizer.encode("a  <a-b.[c]> a<late>", 8).inputIds).toEqual([5, 1001, 5, 1007, 1, 0, 0, 0]);
});
