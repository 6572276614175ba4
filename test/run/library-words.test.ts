import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { bytesOf, checkSettings } from "../../src/run/library-settings.ts";
import { inLibraryWords, withLibraryWords } from "../../src/run/library-words.ts";

describe("options in sentences", () => {
  test.each([
    ["give it with --stage-1-model, --stage-2-model", "give it with stage1Model, stage2Model"],
    ["add --text-encoder-bits 4, free memory", "add textEncoderBits: 4, free memory"],
    ["(--execution-provider cpu)", '(executionProvider: "cpu")'],
    ["more with --budget machine.", 'more with budget: "machine".'],
    ["name one with --image, e.g. --image car.jpg.", 'name one with image, e.g. image: "car.jpg".'],
    ["--no-watermark draws without it", "watermark: false draws without it"],
    ["--mask-from-alpha takes the mask", "maskFromAlpha takes the mask"],
    ["add --resume to go on, or give another --run-dir.", "add resume to go on, or give another runDir."],
    ["a prompt -- or --none-of-ours, --overwrite", "a prompt -- or --none-of-ours, --overwrite"],
  ])("%s", (words, renamed) => expect(inLibraryWords(words)).toBe(renamed));

  test("errors of this program are renamed, others are not", async () => {
    const ours = new UsageError("give another --run-dir.");
    await expect(withLibraryWords(() => Promise.reject(ours))).rejects.toBe(ours);
    expect(ours.message).toBe("give another runDir.");
    await expect(withLibraryWords(() => Promise.reject(new Error("--run-dir")))).rejects.toThrow(/^--run-dir$/);
  });
});

describe("settings", () => {
  test.each([
    [{ ramBuget: "3GB" }, /^there is no setting ramBuget; did you mean ramBudget\?$/],
    [{ previewEvery: 0 }, /^previewEvery must be more than 0, and is 0\.$/],
    [{ budget: "small" }, /^budget must be one of "colab", "machine", and is "small"\.$/],
    [{ signal: 3 }, /^signal: it is no AbortSignal\.$/],
    [{ resume: "yes" }, /^resume must be true or false/],
    [null, /^settings are an object, and not null\.$/],
  ])("%j is refused", (settings, words) => {
    expect(() => checkSettings(settings)).toThrow(words);
  });

  test("what is right is taken", () => {
    checkSettings({ ramBudget: 4e9, vramBudget: "3GB", signal: new AbortController().signal, token: undefined });
    expect([bytesOf(4e9), bytesOf("4 GB"), bytesOf(undefined)]).toEqual([4e9, 4e9, undefined]);
    for (const amount of [13, -1, NaN, "13", "much"]) expect(() => bytesOf(amount)).toThrow(UsageError);
  });
});
