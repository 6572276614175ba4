import { expect, test } from "vitest";
import { pythonRegExp, pythonSplit, pythonStrip, toWellFormed } from "../../src/tokenizers/python-text.ts";

test("white space is Python's", () => {
  expect(pythonStrip("\u001c\u001f\u0085\u00a0\u3000 x \u2028\t")).toBe("x");
  expect(pythonStrip("\ufeffx\u200b")).toBe("\ufeffx\u200b");
  expect(pythonSplit(" a\u0085b\u001d\n c ")).toEqual(["a", "b", "c"]);
});

test.each([
  [pythonRegExp`\b\d+\b`, "x1 22 ٣٣ 4é 5_", ["22", "٣٣"]],
  [pythonRegExp`[\w.]+`, "naïve.тест-½Ⅳ_e\u0301", ["naïve.тест", "½Ⅳ_e"]],
  [pythonRegExp`\S+`, "a\u0085\ufeff b", ["a", "\ufeff", "b"]],
  [pythonRegExp`\D\W`, "a-1-", ["a-"]],
])("%s", (pattern, text, matches) => {
  expect(text.match(pattern)).toEqual(matches);
});

test("pairs of surrogates stay, lone ones go", () => {
  expect(toWellFormed("😀\ud83d\ude00\udc00x\ud800")).toBe("😀😀\ufffdx\ufffd");
});
