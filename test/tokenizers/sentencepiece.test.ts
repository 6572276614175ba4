/** Models that exercise what T5's own lacks. Expected: piece_to_id of what sentencepiece 0.2.2 cuts. */

import { expect, test } from "vitest";
import { createT5Tokenizer } from "../../src/tokenizers/t5-tokenizer.ts";
import { kinds, tokenizerFolder, writeSpieceModel, type SpieceSettings } from "./tokenizer-folder.ts";

const { normal, unknown, control, userDefined, unused, byte } = kinds;
const pieces = [
  ["<pad>", 0, control], ["</s>", 0, control], ["<unk>", 0, unknown], ["▁", -2, normal], ["a", -3, normal],
  ["b", -3.5, normal], ["ab", -4.25, normal], ["▁ab", -5, normal], ["A", 0, userDefined], ["B", 0, userDefined],
  ["ABBA", 0, userDefined], ["red", 0, userDefined], ["r", -1, normal], ["e", -1, normal], ["d", -1, normal],
  ["edb", -1.5, normal], ["dead", -1, unused], ["x", -5.1, normal], ["xx", -7.3, normal], ["xxx", -9.7, normal],
  ["<ctl>", 0, control],
] as const; // prettier-ignore
const bytePieces = Array.from({ length: 256 }, (_, i) => {
  return [`<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`, 0, byte] as const;
});

async function encode(text: string, settings: SpieceSettings): Promise<number[]> {
  const all = settings.byteFallback === true ? [...pieces, ...bytePieces] : pieces;
  const tokenizer = await createT5Tokenizer(
    tokenizerFolder(undefined, { "spiece.model": writeSpieceModel(all, settings) }),
  );
  const { inputIds, attentionMask } = tokenizer.encode(text, 40);
  const ids = inputIds.filter((_, i) => attentionMask[i] === 1);
  expect(ids.at(-1)).toBe(1);
  return ids.slice(0, -1);
}

test.each([
  ["a ab  abb", [3, 4, 7, 7, 5]],
  ["ABBA AB red ared", [3, 10, 3, 8, 9, 3, 11, 3, 4, 11]],
  ["dead <ctl> q", [3, 14, 13, 4, 14, 3, 20, 3, 2]], // by its spelling, as T5Tokenizer looks pieces up
  ["??a??", [3, 2, 4, 2]],
  ["é?", [3, 2]],
  ["", []],
  ["  ", []],
  ["▁a▁", [3, 3, 4]],
  ["aAbB", [3, 4, 8, 5, 9]],
  ["redb", [3, 12, 15]],
  ["x".repeat(28), [3, 19, 19, 19, 18, 18, 19, 19, 19, 19, 19]], // float32 sums: equal paths are not
  ["x".repeat(40), [3, 19, 19, 19, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19, 19]],
])("pieces of all kinds: %j", async (text, ids) => {
  expect(await encode(text, {})).toEqual(ids);
});

test.each([
  ["a ab  abb", [3, 4, 7, 3, 7, 5]],
  ["  ", [3, 3, 3]],
  ["▁a▁", [3, 3, 4, 3]],
])("spaces kept: %j", async (text, ids) => {
  expect(await encode(text, { removeExtraSpaces: false })).toEqual(ids);
});

test.each([
  ["a ab  abb", [4, 7, 7, 5, 3]],
  ["redb", [12, 15, 3]],
  ["  ", []],
])("space as a suffix: %j", async (text, ids) => {
  expect(await encode(text, { spaceAsSuffix: true })).toEqual(ids);
});

test.each([
  ["a ab  abb", [4, 7, 7, 5]],
  ["redb", [12, 15]],
])("no space in front: %j", async (text, ids) => {
  expect(await encode(text, { addDummyPrefix: false })).toEqual(ids);
});

test.each([
  ["dead <ctl> q", [3, 14, 13, 4, 14, 3, 81, 120, 137, 129, 83, 3, 134]],
  ["??a??", [3, 84, 84, 4, 84, 84]],
  ["é?", [3, 216, 190, 84]],
])("unknown characters as bytes: %j", async (text, ids) => {
  expect(await encode(text, { byteFallback: true })).toEqual(ids);
});

test("bytes that did not fit are shown as text", async () => {
  const model = writeSpieceModel([...pieces, ...bytePieces], { byteFallback: true });
  const tokenizer = await createT5Tokenizer(tokenizerFolder(undefined, { "spiece.model": model }));
  expect(tokenizer.encode("a é😀 ab", 3).truncatedText).toBe("é😀 ab");
});
