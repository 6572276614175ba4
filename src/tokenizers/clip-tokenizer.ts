/**
 * @module tokenizers/clip-tokenizer
 * CLIP's tokenizer from vocab.json and merges.txt, with the ids of transformers 4's slow CLIPTokenizer without ftfy.
 * A tokenizer.json in the same folder is not read: it gives other ids (ideographs, control characters, final sigma).
 */

import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { splitClipWords, writeInBytes } from "./clip-words.ts";
import { pythonStrip } from "./python-text.ts";
import { assignIds, readSpecialTokens, type AddedToken, type SpecialRole } from "./special-tokens.ts";
import { padTokens, type TextTokenizer } from "./text-tokenizer.ts";
import { readTokenizerFile, readTokenizerJson } from "./tokenizer-files.ts";
import { createLibraryTokenizer, type BpeModel } from "./tokenizer-library.ts";

const defaults = {
  bos_token: "<|startoftext|>",
  eos_token: "<|endoftext|>",
  unk_token: "<|endoftext|>",
  pad_token: "<|endoftext|>",
};
/** These two pass the BPE whole even where only lower-casing or cleaning made them ("<|ENDOFTEXT|>"). */
const wholeWords: ReadonlySet<string> = new Set([defaults.bos_token, defaults.eos_token]);
const maxMerges = 49152 - 256 - 2;

/**
 * @param folder holds vocab.json, merges.txt, and tokenizer_config.json and special_tokens_map.json if they differ
 *   from CLIP's own (Stable Diffusion 2 pads with "!").
 * @throws {CheckpointError} a file is missing or broken; the message names it.
 */
export async function createClipTokenizer(folder: string): Promise<TextTokenizer> {
  const [vocab, merges, special] = await Promise.all([
    readVocab(folder),
    readMerges(folder),
    readSpecialTokens(folder, defaults),
  ]);
  const ids = Object.values(vocab);
  const idOf = (token: string): number | undefined => (Object.hasOwn(vocab, token) ? vocab[token] : undefined);
  const added = assignIds({ size: ids.length, idOf }, special.added, [
    ...special.roles.values(),
    ...special.additional,
  ]);
  const roleToken = (role: SpecialRole): string => special.roles.get(role)?.content ?? defaults[role];
  const roleId = (role: SpecialRole): number => added.find((token) => token.content === roleToken(role))?.id ?? 0;
  const tokenizer = await createLibraryTokenizer<BpeModel>(tokenizerJson(vocab, merges, added, roleToken("unk_token")));
  useSlowWords(tokenizer.model);
  const cleanUp = { clean_up_tokenization_spaces: special.cleanUpSpaces ?? false };
  const [bosId, eosId, padId] = [roleId("bos_token"), roleId("eos_token"), roleId("pad_token")];

  return {
    vocabSize: 1 + [...ids, ...added.map((token) => token.id)].reduce((a, b) => Math.max(a, b)),
    encode(text, maxLength) {
      const { ids } = tokenizer.encode(text, { add_special_tokens: false });
      const cut = ids.slice(maxLength - 2);
      const truncated = cut.length > 0 ? pythonStrip(tokenizer.decode(cut, cleanUp)) : "";
      return padTokens([bosId, ...ids.slice(0, maxLength - 2), eosId], maxLength, padId, truncated);
    },
  };
}

/** The text between special tokens reaches the model whole; the library's normalizers and splitters are the fast CLIP's. */
function useSlowWords(model: BpeModel): void {
  const encodeWords = model.encode.bind(model);
  model.encode = (texts) =>
    texts
      .flatMap(splitClipWords)
      .flatMap((word) => (wholeWords.has(word) ? [word] : encodeWords([writeInBytes(word)])));
}

function tokenizerJson(
  vocab: Vocab,
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

type Vocab = Readonly<Record<string, number>>;

async function readVocab(folder: string): Promise<Vocab> {
  const vocab = await readTokenizerJson(folder, "vocab.json");
  const ids = Object.values(vocab);
  if (ids.length === 0 || !ids.every((id) => Number.isInteger(id) && Number(id) >= 0)) {
    throw new CheckpointError(`${join(folder, "vocab.json")} must map tokens to whole numbers.`);
  }
  return vocab as Vocab;
}

/** One pair a line, best first, after a line with the version. */
async function readMerges(folder: string): Promise<(readonly [string, string])[]> {
  const text = Buffer.from(await readTokenizerFile(folder, "merges.txt")).toString("utf8");
  const lines = text
    .trim()
    .split(/\r?\n/u)
    .slice(1, 1 + maxMerges);
  return lines.map((line, i) => {
    const [first, second, ...rest] = line.trim().split(/\s+/u);
    if (first === undefined || second === undefined || rest.length > 0) {
      throw new CheckpointError(`${join(folder, "merges.txt")} line ${i + 2} is not a pair of tokens.`);
    }
    return [first, second] as const;
  });
}
