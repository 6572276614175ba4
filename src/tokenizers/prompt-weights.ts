/**
 * @module tokenizers/prompt-weights
 * `(word:1.3)`, as web UIs of Stable Diffusion write it, is nothing to T5 but brackets and a number.
 */

import { UsageError } from "../errors.ts";

/** Something with a letter, a colon and a number, in one pair of brackets: a time of day, (12:30), is none. */
const weighted = /\((?=[^():]*\p{L})[^():]+:\s*[-+]?\d*\.?\d+\s*\)/u;

/** @throws {UsageError} the text gives a word a weight. */
export function checkPromptWeights(text: string): void {
  const [found] = weighted.exec(text) ?? [];
  if (found === undefined) return;
  throw new UsageError(
    `${found} gives words a weight, which IF has not: T5 would read the brackets and the number as words. Say it in words, or ` +
      "give a --negative-prompt, or a --positive-prompt with its --positive-mixer.",
  );
}
