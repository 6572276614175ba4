/**
 * @module plan/known-words
 * What a small model was trained on, where it says so: `text_encoder/known_words.json` beside the weights, made from the training
 * captions. Words that are not in it are drawn as something else, so they are named before a run. Large models have no such file.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { CheckpointError } from "../errors.ts";
import { quoteSome } from "../text.ts";
import { readJson } from "../weights/file.ts";

const MAX_WORDS = 20_000;
const MAX_WORD_LETTERS = 40;

const knownWords = z.strictObject({
  /** Lower case. */
  words: z.array(z.string().min(1).max(MAX_WORD_LETTERS)).min(1).max(MAX_WORDS),
  /** Words after which the text of a sign may follow without quotation marks ("that says"). */
  before_text: z.array(z.string()).max(100),
  /** The longest word, in letters, that signs were trained with, and how many words. */
  text_letters: z.int().positive(),
  text_words: z.int().positive(),
});
export type KnownWords = z.infer<typeof knownWords>;

/** @returns undefined: the checkpoint does not say. @throws {CheckpointError} the file is not understood. */
export async function readKnownWords(checkpoint: string): Promise<KnownWords | undefined> {
  const file = join(checkpoint, "text_encoder", "known_words.json");
  if (!existsSync(file)) return undefined;
  const parsed = knownWords.safeParse(await readJson(file));
  if (parsed.success) return parsed.data;
  throw new CheckpointError(`${file} is not a list of known words; remove it, or fetch the model again.`);
}

export interface Unknown {
  /** Words outside quotation marks, each once, in the order of the prompts. */
  readonly words: readonly string[];
  /** Texts of signs with more or longer words than the model was trained with. */
  readonly texts: readonly string[];
}

/** Between quotation marks, straight or not; single ones only around whole words, as apostrophes look alike. */
const QUOTED = /"([^"]*)"|“([^”]*)”|„([^“”]*)[“”]|(?<![\p{L}\p{N}])['‘]([^'‘’]*)['’](?![\p{L}\p{N}])/gu;
const WORD = /[\p{L}\p{N}]+(?:['’][\p{L}\p{N}]+)*/gu;

/** What of the prompts the model was not trained on. */
export function findUnknown(prompts: readonly string[], knownWords: KnownWords): Unknown {
  const isKnown = new Set(knownWords.words);
  const opensText = new Set(knownWords.before_text);
  const words = new Set<string>();
  const texts = new Set<string>();
  const judgeText = (text: string): void => {
    const parts = text.trim().split(/\s+/);
    if (parts.length > knownWords.text_words || parts.some((part) => Array.from(part).length > knownWords.text_letters))
      texts.add(text);
  };
  for (const prompt of prompts) {
    const outside = prompt.replace(QUOTED, (_, ...groups: (string | undefined)[]) => {
      judgeText(groups.slice(0, 4).find((group) => group !== undefined) ?? "");
      return " . ";
    });
    let before = "";
    for (const [word] of outside.matchAll(WORD)) {
      const lower = word.toLowerCase();
      if (isKnown.has(lower)) before = lower;
      else if (opensText.has(before)) judgeText(word);
      else words.add(lower);
    }
  }
  return { words: [...words], texts: [...texts] };
}

/** @returns sentences for a plan's notes; none if all is known. */
export function describeUnknown(model: string, { words, texts }: Unknown, knownWords: KnownWords): string[] {
  const { text_letters: letters, text_words: count } = knownWords;
  const most = count === 1 ? `one word of at most ${letters} letters` : `at most ${count} words of ${letters} letters`;
  return [
    ...(words.length === 0
      ? []
      : [
          `the ${model} model does not know ${quoteSome(words)}; it draws what is nearest. ` +
            `\`if-gen models show ${model} --words\` lists what it knows.`,
        ]),
    ...(texts.length === 0 ? [] : [`signs of the ${model} model hold ${most}; ${quoteSome(texts)} will not be whole.`]),
  ];
}
