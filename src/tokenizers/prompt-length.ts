/**
 * @module tokenizers/prompt-length
 * How long a prompt may be. The text encoders take 77 tokens, about 350 characters; the reference cuts the rest off. Caption
 * cleaning and tokenizing read all of it, and some of the reference's patterns take the square of its length.
 */

import { UsageError } from "../errors.ts";

export const maxPromptCharacters = 10_000;

/** @throws {UsageError} the prompt is longer than anybody writes one. */
export function checkPromptLength(text: string): void {
  if (text.length <= maxPromptCharacters) return;
  throw new UsageError(
    `The prompt has ${text.length} characters, and at most ${maxPromptCharacters} are read (the text encoder takes about 350); shorten it.`,
  );
}
