import { describe, expect, test } from "vitest";
import { formatParameters, type Parameters, parseParameters } from "../../src/image/parameters.ts";

const settings = new Map([
  ["Steps", "50"],
  ["Sampler", "DDPM"],
  ["CFG scale", "7"],
  ["Seed", "1"],
  ["Size", "1024x1024"],
  ["Model", "IF-I-XL-v1.0, IF-II-L-v1.0"],
  ["Version", "if-gen 0.1.0"],
]);

test("the text is what the web UI writes", () => {
  expect(formatParameters({ prompt: "a red cube", negativePrompt: "blurry, dark", settings })).toBe(
    "a red cube\n" +
      "Negative prompt: blurry, dark\n" +
      "Steps: 50, Sampler: DDPM, CFG scale: 7, Seed: 1, Size: 1024x1024, " +
      'Model: "IF-I-XL-v1.0, IF-II-L-v1.0", Version: if-gen 0.1.0',
  );
  expect(formatParameters({ prompt: "a", negativePrompt: "", settings: new Map([["Steps", "2"]]) })).toBe(
    "a\nSteps: 2",
  );
});

describe("comes back as it went in", () => {
  const prompts = [
    "",
    "a red cube",
    "  spaces around  ",
    "two\nlines\n\nand a gap\n",
    "carriage\r\nreturns",
    'a sign that says "Steps: 20, Sampler: Euler", in neon',
    "first\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5",
    "Negative prompts are no prompts: see Negative prompt: this",
    "日本語のプロンプト 🦊 \u2028 ñ \\ \\n \\u0041",
    "a, b: c, d: e, f: g",
  ];
  const values = [
    "",
    "plain",
    "a, b",
    "a: b",
    "line\nbreak",
    "\r",
    '"',
    'say "hi"',
    "back\\slash",
    " outer ",
    "日本 🦊",
    '{"a": [1, 2]}',
    "\\",
  ];

  test.each(prompts)("prompt %j", (prompt) => {
    for (const negativePrompt of prompts) {
      const parameters: Parameters = { prompt, negativePrompt, settings };
      expect(parseParameters(formatParameters(parameters))).toEqual(parameters);
    }
  });

  test.each(values)("value %j, at every place", (value) => {
    for (const key of settings.keys()) {
      const parameters: Parameters = {
        prompt: "p",
        negativePrompt: "",
        settings: new Map([...settings, [key, value]]),
      };
      expect(parseParameters(formatParameters(parameters))).toEqual(parameters);
    }
  });
});

describe("text of other programs", () => {
  test("settings that are not quoted as they should be do not spoil the rest", () => {
    const text =
      'a cat\nSteps: 20, Seed: 3, Hashes: {"vae": "73", "model": "ab"}, Size: 512x512, Hires, Version: v1.7.0';
    const parsed = parseParameters(text);
    expect(parsed.prompt).toBe("a cat");
    expect(Object.fromEntries(parsed.settings)).toMatchObject({
      Steps: "20",
      Seed: "3",
      Size: "512x512",
      Version: "v1.7.0",
    });
  });

  test("a prompt alone", () => {
    expect(parseParameters("a cat\non a mat")).toEqual({
      prompt: "a cat\non a mat",
      negativePrompt: "",
      settings: new Map(),
    });
  });

  test("a prompt and a negative prompt alone", () => {
    const expected = { prompt: "a cat", negativePrompt: "dog\nbird", settings: new Map() };
    expect(parseParameters("a cat\nNegative prompt: dog\nbird")).toEqual(expected);
  });

  test("an unbroken megabyte is read in no time", () => {
    const start = performance.now();
    parseParameters(`a\n${"a ".repeat(500_000)}`);
    parseParameters(`a\nSteps: "${"\\".repeat(1_000_001)}`);
    parseParameters(`a\n${",".repeat(1_000_000)}`);
    parseParameters(`a\n${" ".repeat(200_000)}`);
    expect(performance.now() - start).toBeLessThan(3000);
  });
});
