/**
 * @module tokenizers/text-tokenizer
 * What a text encoder asks of a tokenizer. Two keep this contract: t5-tokenizer and clip-tokenizer.
 */

export interface Tokenized {
  /** Exactly `maxLength` ids: the text's, the special tokens, then padding. */
  inputIds: number[];
  /** Exactly `maxLength` numbers: 1 = real token, 0 = padding. */
  attentionMask: number[];
  /** The text that did not fit, decoded from the ids cut off; "" if all did. */
  truncatedText: string;
}

export interface TextTokenizer {
  /**
   * @param maxLength the length of the result, at least 2 (77 in IF and Stable Diffusion).
   * @returns the ids a slow tokenizer of transformers 4 gives for padding="max_length", truncation=True.
   * @throws {UsageError} the text is longer than any prompt.
   */
  encode(text: string, maxLength: number): Tokenized;
  /** One more than the largest id: the rows an embedding must have. */
  readonly vocabSize: number;
}

/** @returns `ids` padded on the right to `maxLength`; `ids` is at most that long. */
export function padTokens(ids: readonly number[], maxLength: number, padId: number, truncatedText: string): Tokenized {
  const padding = maxLength - ids.length;
  return {
    inputIds: [...ids, ...new Array<number>(padding).fill(padId)],
    attentionMask: [...new Array<number>(ids.length).fill(1), ...new Array<number>(padding).fill(0)],
    truncatedText,
  };
}
