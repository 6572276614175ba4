/**
 * @module tokenizers/tokenizer-library
 * The door to @huggingface/tokenizers: special tokens, vocabulary and BPE are its work. It is imported on first use,
 * so that commands without text do not pay for it; its type declarations do not resolve under nodenext, hence ours.
 */

export interface LibraryTokenizer<Model> {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: number[], options: { clean_up_tokenization_spaces: boolean }): string;
  readonly model: Model;
}

export interface UnigramModel {
  tokens_to_ids: ReadonlyMap<string, number>;
  unk_token_id: number;
  /** Cuts the text between two special tokens into pieces; a piece that has no id is unknown. */
  tokenize: (text: string) => string[];
}

export interface BpeModel {
  /** Cuts words, already written in CLIP's alphabet of bytes, into tokens. */
  encode: (words: string[]) => string[];
}

/** @param json what a tokenizer.json holds: added_tokens, normalizer, pre_tokenizer, post_processor, decoder, model. */
export async function createLibraryTokenizer<Model>(json: object): Promise<LibraryTokenizer<Model>> {
  const { Tokenizer } = (await import("@huggingface/tokenizers")) as unknown as {
    Tokenizer: new (json: object, config: object) => LibraryTokenizer<Model>;
  };
  return new Tokenizer(json, {});
}
