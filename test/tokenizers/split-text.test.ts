import { describe, expect, test } from "vitest";
import { checkPromptWeights } from "../../src/tokenizers/prompt-weights.ts";
import { splitText } from "../../src/tokenizers/split-text.ts";
import { createT5Tokenizer } from "../../src/tokenizers/t5-tokenizer.ts";
import { bundledPath } from "../golden.ts";

const tokenizer = await createT5Tokenizer(bundledPath("checkpoints", "if-i", "tokenizer"));
const truncated = (part: string): string => tokenizer.encode(part, 77).truncatedText;

describe("parts that the encoder takes", () => {
  test("one of what fits, as it is", () => {
    expect(splitText(tokenizer, "  a  cat ", 77)).toEqual(["  a  cat "]);
    expect(splitText(tokenizer, "", 77)).toEqual([""]);
  });

  test("of more, whole words filled from the front, none lost", () => {
    const words = Array.from({ length: 120 }, (_, index) => `cat${index}`);
    const parts = splitText(tokenizer, words.join(" "), 77);
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.join(" ").split(" ")).toEqual(words);
    expect(parts.map(truncated)).toEqual(parts.map(() => ""));
    for (const [index, part] of parts.slice(0, -1).entries()) {
      const [next = ""] = parts[index + 1]!.split(" ");
      expect(truncated(`${part} ${next}`)).not.toBe("");
    }
  });

  test("a word that is longer by itself is a part", () => {
    const long = "x".repeat(400);
    expect(splitText(tokenizer, `a cat ${long} sits`, 77)).toEqual(["a cat", long, "sits"]);
  });
});

describe("weights of words", () => {
  test.each(["a (red:1.3) cat", "(big cat : .5)", "a ((red:1.2))", "(кот:2)"])("%s is refused", (text) => {
    expect(() => checkPromptWeights(text)).toThrow(/gives words a weight, which IF has not/);
  });

  test.each(["a cat (red)", "at noon (12:30)", "a sign: 1.3", "a (cat: red)", "score (2:1)"])(
    "%s is a prompt",
    (text) => {
      expect(() => checkPromptWeights(text)).not.toThrow();
    },
  );
});
