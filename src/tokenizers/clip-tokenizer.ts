/**
 * @module tokenizers/clip-tokenizer
 * CLIP's tokenizer from vocab.json and merges.txt, with the ids of transformers 4's slow CLIPTokenizer without ftfy.
 * A tokenizer.json in the same folder is not read: it gives other ids (ideographs, control characters, final sigma). Where it is
 * alone, as transformers 5 saves it, it is read, with the ids of that version.
 */

import { type ClipVocabulary, readClipVocabulary } from "./clip-vocabulary.ts";
import { splitClipWords, splitFastClipWords, writeInBytes } from "./clip-words.ts";
import { checkPromptLength } from "./prompt-length.ts";
import { pythonStrip } from "./python-text.ts";
import { assignIds, readSpecialTokens, type AddedToken, type SpecialRole } from "./special-tokens.ts";
import { padTokens, type TextTokenizer } from "./text-tokenizer.ts";
import { createLibraryTokenizer, type BpeModel } from "./tokenizer-library.ts";

const defaults = {
  bos_token: "<|startoftext|>",
  eos_token: "<|endoftext|>",
  unk_token: "<|endoftext|>",
  pad_token: "<|endoftext|>",
};
/** These two pass the BPE whole even where only lower-casing or cleaning made them ("<|ENDOFTEXT|>"). */
const wholeWords: ReadonlySet<string> = new Set([defaults.bos_token, defaults.eos_token]);

/**
 * @param folder holds vocab.json and merges.txt or tokenizer.json, and tokenizer_config.json and special_tokens_map.json if they differ
 *   from CLIP's own (Stable Diffusion 2 pads with "!").
 * @throws {CheckpointError} a file is missing or broken; the message names it.
 */
export async function createClipTokenizer(folder: string): Promise<TextTokenizer> {
  const special = await readSpecialTokens(folder, defaults);
  const { vocab, merges, added: listed } = await readClipVocabulary(folder);
  const ids = Object.values(vocab);
  const idOf = (token: string): number | undefined => (Object.hasOwn(vocab, token) ? vocab[token] : undefined);
  const added = assignIds({ size: ids.length, idOf }, listed ?? special.added, [
    ...special.roles.values(),
    ...special.additional,
  ]);
  const roleToken = (role: SpecialRole): string => special.roles.get(role)?.content ?? defaults[role];
  const roleId = (role: SpecialRole): number => added.find((token) => token.content === roleToken(role))?.id ?? 0;
  const tokenizer = await createLibraryTokenizer<BpeModel>(tokenizerJson(vocab, merges, added, roleToken("unk_token")));
  useWords(tokenizer.model, listed === undefined ? splitClipWords : splitFastClipWords);
  const cleanUp = { clean_up_tokenization_spaces: special.cleanUpSpaces ?? false };
  const [bosId, eosId, padId] = [roleId("bos_token"), roleId("eos_token"), roleId("pad_token")];

  return {
    vocabSize: 1 + [...ids, ...added.map((token) => token.id)].reduce((a, b) => Math.max(a, b)),
    encode(text, maxLength) {
      checkPromptLength(text);
      const { ids } = tokenizer.encode(text, { add_special_tokens: false });
      const cut = ids.slice(maxLength - 2);
      const truncated = cut.length > 0 ? pythonStrip(tokenizer.decode(cut, cleanUp)) : "";
      return padTokens([bosId, ...ids.slice(0, maxLength - 2), eosId], maxLength, padId, truncated);
    },
  };
}

/** The text between special tokens reaches the model whole; the library's normalizers and splitters are not asked. */
function useWords(model: BpeModel, splitWords: (text: string) => string[]): void {
  const encodeWords = model.encode.bind(model);
  model.encode = (texts) =>
    texts.flatMap(splitWords).flatMap((word) => (wholeWords.has(word) ? [word] : encodeWords([writeInBytes(word)])));
}

function tokenizerJson(
  vocab: ClipVocabulary["vocab"],
  merges: readonly (readonly [string, string])[],
  added: readonly AddedToken[],
  unknown: string,
): object {
  return {
    added_tokens: added.map((token) => ({ ...token, special: true, normalized: false })),
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab, merges, unk_token: unknown, end_of_word_suffix: "</w>" },
  };
}
