import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { describeLeftOut, findLeftOut } from "../../src/plan/left-out.ts";
import { preprocessCaption } from "../../src/tokenizers/clean-caption.ts";
import { goldenPath } from "../golden.ts";

test.each([
  ['a sign that says "B2B"', ["b2b"]],
  ["a door with 4K and ABC123 on it, 10x20 cm", ["abc123", "10x20"]],
  ["the logo of example.com, photo.png by @painter", ["example.com", "@painter", "photo.png"]],
  ["a red \u5927\u5b66 gate", ["\u5927\u5b66"]],
  ["free shipping to the moon", ["free shipping"]],
  ["#12 of 1234567", ["#12", "1234567"]],
  ["B%32B", ["b2b"]],
  ['a sign that says "C++" left of a sign that says "R&D"', ["++", "&"]],
  ["a sign that says \u201cHI*\u201d", ["*"]],
  ['a sign that says "#1"', ["#1"]],
  ['a sign that says "WAIT..."', ["..."]],
  ['a sign that says "A-B-C-D-E"', ["-"]],
  ['a sign that says "R&amp;D"', ["&"]],
  ['a sign that says "10%20"', ["%"]],
  ['a sign that says "(OPEN)"', ["(", ")"]],
])("%s", async (text, parts) => {
  expect(await findLeftOut([text])).toEqual(parts);
});

test("nothing of what stays, of signs alone and of escapes", async () => {
  const texts = [
    "a red circle",
    "",
    'a "sign" (that) says: 4K, 1984!',
    "tom &amp; jerry \\n ...",
    "<b>bold</b> caf\u00e9 *",
    'a house (red) & "a cat" / a dog',
    'a sign that says "HELLO\\nWORLD!"',
    'a sign that says "50% OFF"',
    'a sign that says "WHAT?! $5, A\u2013B: I\u2019M OK"',
    'a sign that says "\uff2f\uff2b\uff01"',
  ];
  expect(await findLeftOut(texts)).toEqual([]);
});

test("what is told of is gone from the cleaned text, and what is not is there", async () => {
  const { captions } = JSON.parse(readFileSync(goldenPath("prompts/captions.json"), "utf8")) as {
    captions: { text: string }[];
  };
  const words = (text: string): string[] => text.toLowerCase().match(/[a-z]{3,}/g) ?? [];
  let told = 0;
  for (const { text } of captions.filter((one) => /^[\x20-\x7e]*$/.test(one.text) && !/[<%&]/.test(one.text))) {
    const parts = await findLeftOut([text]);
    const left = words(preprocessCaption(text, { cleanCaption: true }));
    for (const word of words(text)) expect(left.includes(word) || parts.some((part) => part.includes(word))).toBe(true);
    told += parts.length;
  }
  expect(told).toBeGreaterThan(5);
});

test("each part is named once, a few of them", async () => {
  expect(await findLeftOut(["B2B", "a b2b sign, C3C"])).toEqual(["b2b", "c3c"]);
  expect(describeLeftOut([])).toEqual([]);
  expect(describeLeftOut(["b2b"])).toEqual([`IF's filter for captions leaves out "b2b"; --no-clean-caption keeps it.`]);
  expect(describeLeftOut(["a", "b", "c", "d", "e", "f", "g", "h"])).toEqual([
    `IF's filter for captions leaves out "a", "b", "c", "d", "e", "f" and 2 more; --no-clean-caption keeps them.`,
  ]);
});
