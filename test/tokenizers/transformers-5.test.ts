/** Checkpoints saved by transformers 5: tokenizer.json alone. Expected: its own ids (transformers-5/make.py). */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { createClipTokenizer } from "../../src/tokenizers/clip-tokenizer.ts";
import { createT5Tokenizer } from "../../src/tokenizers/t5-tokenizer.ts";
import { tokenizerFolder } from "./tokenizer-folder.ts";

interface Golden {
  readonly pad: number;
  readonly vocab_size: number;
  readonly prompts: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

const at = (path: string): URL => new URL(`transformers-5/${path}`, import.meta.url);
const read = (path: string): Golden => JSON.parse(readFileSync(at(path), "utf8")) as Golden;

const kinds = [
  ["t5", createT5Tokenizer, "Unigram"],
  ["clip", createClipTokenizer, "BPE"],
] as const;

describe.each(kinds)("%s", (name, create, kind) => {
  const golden = read(`${name}-ids.json`);
  const folder = at(name).pathname;

  test("there are prompts", () => {
    expect(golden.prompts.length).toBeGreaterThan(90);
  });

  test.each(golden.prompts)("$text", async ({ text, ids }) => {
    const tokenizer = await create(folder);
    expect(tokenizer.encode(text, 77).inputIds).toEqual([
      ...ids,
      ...Array.from({ length: 77 - ids.length }, () => golden.pad),
    ]);
  });

  test("vocabSize", async () => {
    expect((await create(folder)).vocabSize).toBe(golden.vocab_size);
  });

  const json = JSON.parse(readFileSync(at(`${name}/tokenizer.json`), "utf8")) as {
    model: object;
    added_tokens: object[];
  };
  const changed = (changes: object): string =>
    tokenizerFolder(undefined, { "tokenizer.json": JSON.stringify({ ...json, ...changes }) });

  test.each<[string, object, RegExp]>([
    [
      "a model of another kind",
      { model: { ...json.model, type: "WordPiece" } },
      /tokenizer\.json is not a tokenizer of/,
    ],
    ["no vocabulary", { model: { ...json.model, vocab: [] } }, /holds no pieces|must map tokens/],
    ["a broken vocabulary", { model: { ...json.model, vocab: { a: ["b"] } } }, /holds no pieces|must map tokens/],
    ["an added token without an id", { added_tokens: [{ content: "<x>" }] }, /id that is no whole number/],
    ["an added token of nothing", { added_tokens: [{ content: "", id: 3 }] }, /neither a string nor a token/],
    [
      "5000 added tokens",
      { added_tokens: Array.from({ length: 5000 }, () => json.added_tokens[0]) },
      /4096 are allowed/,
    ],
  ])("refuses %s", async (_, changes, message) => {
    const reading = create(changed(changes));
    await expect(reading).rejects.toThrow(CheckpointError);
    await expect(reading).rejects.toThrow(message);
  });

  test(`says that nothing is there, for ${kind}`, async () => {
    await expect(create(tokenizerFolder(undefined, {}))).rejects.toThrow(/(spiece\.model|vocab\.json) does not exist/);
  });
});

test("merges as transformers 4 wrote them, one text each", async () => {
  const json = JSON.parse(readFileSync(at("clip/tokenizer.json"), "utf8")) as { model: { merges: [string, string][] } };
  json.model.merges = json.model.merges.map((pair) => pair.join(" ")) as unknown as [string, string][];
  const folder = tokenizerFolder(undefined, { "tokenizer.json": JSON.stringify(json) });
  const [whole, older] = await Promise.all([createClipTokenizer(at("clip").pathname), createClipTokenizer(folder)]);
  expect(older.encode("a photo of a cat", 77).inputIds.slice(0, 6)).toEqual(
    whole.encode("a photo of a cat", 77).inputIds.slice(0, 6),
  );
});
