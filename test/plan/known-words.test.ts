import { readFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { type KnownWords, describeUnknown, findUnknown, readKnownWords } from "../../src/plan/known-words.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { readFences, root } from "../docs/markdown.ts";

const knownWords: KnownWords = {
  words: ["a", "red", "sign", "that", "says", "star", "and", "blue"],
  before_text: ["says"],
  text_letters: 4,
  text_words: 1,
};
const demo = join(root, "models", "demo", "if-i");

test("unknown words are named once, as they come, whatever their case; quoted texts are judged by their length", () => {
  expect(findUnknown(["A Red star.", "a blue-red star"], knownWords)).toEqual({ words: [], texts: [] });
  expect(findUnknown(["a corgi and a Scarf", "a scarf, don't"], knownWords).words).toEqual(["corgi", "scarf", "don't"]);
  const signs = [
    `a sign that says "OPEN"`,
    "a sign that says 'SHUT'",
    "a sign that says “éàûî”",
    "a sign that says taxi",
  ];
  expect(findUnknown(signs, knownWords)).toEqual({ words: [], texts: [] });
  const long = [`a sign that says "HELLO"`, `a sign that says "A B"`, "a sign that says bakery and a star"];
  expect(findUnknown(long, knownWords)).toEqual({ words: [], texts: ["HELLO", "A B", "bakery"] });
  expect(findUnknown([`a "`, "", "'", "ein Stern"], knownWords).words).toEqual(["ein", "stern"]);
});

test("the sentence names a few and counts the rest", () => {
  const words = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
  expect(describeUnknown("demo", { words, texts: [] }, knownWords)).toEqual([
    'the demo model does not know "one", "two", "three", "four", "five", "six" and 2 more; it draws what is nearest. ' +
      "`if-gen models show demo --words` lists what it knows.",
  ]);
  expect(describeUnknown("demo", { words: [], texts: ["HELLO"] }, knownWords)).toEqual([
    'signs of the demo model hold one word of at most 4 letters; "HELLO" will not be whole.',
  ]);
  expect(describeUnknown("demo", { words: [], texts: [] }, knownWords)).toEqual([]);
});

test("a checkpoint without the file says nothing; one that cannot be understood is named", async () => {
  const folder = temporaryFolder();
  expect(await readKnownWords(folder)).toBeUndefined();
  mkdirSync(join(folder, "text_encoder"));
  const file = join(folder, "text_encoder", "known_words.json");
  for (const text of ["{}", "[", JSON.stringify({ ...knownWords, words: [7] })]) {
    writeFileSync(file, text);
    await expect(readKnownWords(folder), text).rejects.toThrow(CheckpointError);
  }
});

/** The prompts of commands that draw with the demo: those that name no model. */
function promptsOf(lines: readonly string[]): string[] {
  const drawn = lines.filter(
    (line) => /if-gen (txt2img|img2img|inpaint) /.test(line) && !/(-m|--model)[ =]/.test(line),
  );
  const quoted = / (?:"([^"]+)"|'([^']+)')/g;
  return drawn.flatMap((line) => [...line.matchAll(quoted)].map(([, double, single]) => double ?? single ?? ""));
}

test("the demo knows every word of the pages' and the help's own examples that it draws, and says so of others", async () => {
  const words = await readKnownWords(demo);
  if (words === undefined) throw new Error("the demo does not say what it knows");
  const pages = ["README.md", "docs/first-steps.md", "docs/index.md", "docs/sampling.md", "docs/batch.md"];
  const inPages = promptsOf(pages.flatMap((page) => readFences(page).flatMap(({ text }) => text.split("\n"))));
  const help = ["txt2img", "img2img", "inpaint"].map((name) =>
    readFileSync(join(root, "src", "cli", `${name}.ts`), "utf8"),
  );
  const inHelp = promptsOf(help.flatMap((text) => text.split("\n")));
  expect(inPages.length).toBeGreaterThan(5);
  expect(inHelp.length).toBeGreaterThan(2);
  expect(findUnknown([...inPages, ...inHelp], words)).toEqual({ words: [], texts: [] });
  expect(findUnknown(["a photo of a corgi wearing a red scarf"], words).words).toEqual(["corgi", "wearing"]);
});
