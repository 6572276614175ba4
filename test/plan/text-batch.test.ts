/** How many texts T5 takes in a call, and whether the empty one is encoded beside them. */

import { expect, test } from "vitest";
import { type TextBatch, textsAtOnce } from "../../src/plan/text-batch.ts";

const jobs = (...texts: readonly (readonly [string, string])[]) =>
  texts.map(([prompt, negativePrompt]) => ({ prompt, negativePrompt }));
const int8 = { bits: 8, cache: "/cache", activations: "int8" } as const;
const many = jobs(...Array.from({ length: 9 }, (_, index): [string, string] => [`a cat ${index}`, ""]));

test.each<[string, Parameters<typeof textsAtOnce>, TextBatch]>([
  ["a prompt and no negative one", [{}, jobs(["a cat", ""]), undefined], { texts: 1, hasEmptyText: true }],
  ["a prompt and a negative one", [{}, jobs(["a cat", "a dog"]), undefined], { texts: 2 }],
  ["one text twice", [{}, jobs(["a cat", "a cat"]), undefined], { texts: 2 }],
  ["no text at all", [{}, jobs(["", ""]), undefined], { texts: 2 }],
  [
    "an empty negative prompt of one stage alone",
    [{ stageNegativePrompts: [""] }, jobs(["a cat", "a dog"]), undefined],
    { texts: 2, hasEmptyText: true },
  ],
  ["many jobs", [{}, many, undefined], { texts: 8, hasEmptyText: true }],
  ["on a GPU", [{}, jobs(["a cat", ""]), undefined, "cuda"], { texts: 2 }],
  ["activations of 8 bits, with one scale for all", [{}, jobs(["a cat", ""]), int8], { texts: 2 }],
])("%s", (_, given, expected) => {
  expect(textsAtOnce(...given)).toEqual(expected);
});
