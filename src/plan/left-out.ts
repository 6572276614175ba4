/**
 * @module plan/left-out
 * What the filter for captions takes out of a prompt before T5 sees it: "B2B", names of files, web addresses, Chinese, and the
 * signs of a quoted "C++". The reference does so without a word, and a sign that was to say it says something else.
 */

import { quoteSome } from "../text.ts";

/** A text with none of these loses nothing and can be cleaned: the filter's patterns, which take a while to load, are not needed for it. */
const mayLose = /[\d@.:%+&<"\P{ASCII}]|shipping|download|click|png|jpe?g|bmp|webp|eps|pdf|apk|mp4/iu;

/** @returns each part once, lower case, a text's in the order of the rules that find them. @throws {UsageError} a text cannot be cleaned. */
export async function findLeftOut(texts: readonly string[]): Promise<string[]> {
  const suspects = texts.filter((text) => mayLose.test(text));
  if (suspects.length === 0) return [];
  const { leftOutByCleaning } = await import("../tokenizers/clean-caption.ts");
  return [...new Set(suspects.flatMap(leftOutByCleaning))];
}

/** @returns sentences for a plan's notes; none if nothing is left out. */
export function describeLeftOut(parts: readonly string[]): string[] {
  if (parts.length === 0) return [];
  return [
    `IF's filter for captions leaves out ${quoteSome(parts)}; --no-clean-caption keeps ${parts.length > 1 ? "them" : "it"}.`,
  ];
}
