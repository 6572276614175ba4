/**
 * @module tokenizers/split-text
 * A text that is longer than a text encoder takes, in parts that it takes, cut between words.
 */

import type { TextTokenizer } from "./text-tokenizer.ts";

/**
 * @param maxLength tokens of a part, the end token counted: 77.
 * @returns the fewest parts that hold whole words, filled from the front, at least one. A word that is longer by itself is a
 *          part, of which the encoder leaves the rest out.
 */
export function splitText(tokenizer: TextTokenizer, text: string, maxLength: number): string[] {
  const fits = (part: string): boolean => tokenizer.encode(part, maxLength).truncatedText === "";
  if (fits(text)) return [text];
  const parts: string[] = [];
  let part = "";
  for (const word of text.split(/\s+/u).filter((one) => one !== "")) {
    const longer = part === "" ? word : `${part} ${word}`;
    if (part !== "" && !fits(longer)) {
      parts.push(part);
      part = word;
    } else part = longer;
  }
  return [...parts, part];
}
