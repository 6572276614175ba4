/**
 * @module tokenizers/t5-tokenizer
 * T5's tokenizer from spiece.model, with the ids of transformers 4's T5Tokenizer(legacy=True), which IF's published
 * pipelines used. A tokenizer.json in the same folder is not read: it gives other ids (U+0085, a trailing "</s>"). Where it is
 * alone, as transformers 5 saves it, it is read, with the ids of that version.
 */

import { join } from "node:path";
import { listLimits } from "../files/json.ts";
import { createNormalizer } from "./sentencepiece-normalizer.ts";
import { createUnigram } from "./sentencepiece-unigram.ts";
import { parseSpieceModel, type SpieceModel } from "./spiece-model.ts";
import { checkPromptLength } from "./prompt-length.ts";
import { pythonRegExp } from "./python-text.ts";
import { assignIds, readSpecialTokens, type AddedToken, type SpecialTokens } from "./special-tokens.ts";
import { createT5Decoder } from "./t5-decoder.ts";
import { padTokens, type TextTokenizer } from "./text-tokenizer.ts";
import { hasTokenizerFile, readTokenizerFile, readTokenizerJson } from "./tokenizer-files.ts";
import { createLibraryTokenizer, type UnigramModel } from "./tokenizer-library.ts";
import { parseUnigramJson } from "./unigram-json.ts";

const defaults = { eos_token: "</s>", unk_token: "<unk>", pad_token: "<pad>" };
const defaultExtraIds = 100;

/**
 * @param folder holds spiece.model or tokenizer.json, and tokenizer_config.json and special_tokens_map.json if they differ from T5's own.
 * @throws {CheckpointError} a file is missing or broken; the message names it.
 */
export async function createT5Tokenizer(folder: string): Promise<TextTokenizer> {
  const special = await readSpecialTokens(folder, defaults);
  const { model, added: listed } = await readModel(folder);
  const ids = new Map(model.pieces.map((piece, id) => [piece.text, id]));
  const added = listed ?? listAddedTokens(model, ids, special);
  const tokenizer = await createLibraryTokenizer<UnigramModel>(tokenizerJson(added));
  useSentencePiece(tokenizer.model, model, ids);

  const idOf = new Map(added.map((token) => [token.content, token.id]));
  const roleId = (role: "eos_token" | "pad_token"): number =>
    idOf.get(special.roles.get(role)?.content ?? defaults[role]) ?? model.unknownId;
  const eosId = roleId("eos_token");
  const addEos = (list: readonly number[]): number[] =>
    list.at(-1) === eosId && listed === undefined ? [...list] : [...list, eosId]; // tokenizer.json: once more
  const stripAround = createStripper(added);
  const decode = createT5Decoder(model, added, special);

  return {
    vocabSize: added.reduce((size, token) => Math.max(size, token.id + 1), model.pieces.length),
    encode(text, maxLength) {
      checkPromptLength(text);
      const { ids } = tokenizer.encode(stripAround(text), { add_special_tokens: false });
      const all = addEos(ids);
      const truncated = all.length > maxLength ? decode(all.slice(maxLength - 1, -1)) : "";
      return padTokens(addEos(ids.slice(0, maxLength - 1)), maxLength, roleId("pad_token"), truncated);
    },
  };
}

/** `added` only where the file lists the added tokens with their ids. */
async function readModel(folder: string): Promise<{ model: SpieceModel; added?: AddedToken[] }> {
  const isAlone =
    !(await hasTokenizerFile(folder, "spiece.model")) && (await hasTokenizerFile(folder, "tokenizer.json"));
  if (isAlone) return parseUnigramJson(await readTokenizerJson(folder, "tokenizer.json", listLimits), folder);
  const bytes = await readTokenizerFile(folder, "spiece.model");
  return { model: parseSpieceModel(bytes, join(folder, "spiece.model")) };
}

/** The sentinels count down from the top: <extra_id_0> has the largest id. */
function listAddedTokens(model: SpieceModel, ids: ReadonlyMap<string, number>, special: SpecialTokens): AddedToken[] {
  const isSentinel = (content: string): boolean => content.includes("<extra_id_");
  const listed = special.additional.filter((token) => isSentinel(token.content)).length;
  const count = special.extraIds ?? defaultExtraIds;
  const sentinels = Array.from({ length: listed > 0 ? listed : count }, (_, i): AddedToken => ({
    content: `<extra_id_${i}>`,
    id: model.pieces.length - 1 + count - i,
    lstrip: true,
    rstrip: true,
  }));
  const fixed = new Map([...sentinels, ...special.added].map((token) => [token.id, token]));
  return assignIds(
    { size: ids.size, idOf: (token) => ids.get(token) },
    [...fixed.values()],
    [...special.roles.values(), ...special.additional],
  );
}

/**
 * What @huggingface/tokenizers reads. Its Unigram starts without pieces: building its own trie over 32,000 of them costs
 * 150 ms at every start and serves an arithmetic that is not SentencePiece's. useSentencePiece hands it the real ones.
 */
function tokenizerJson(added: readonly AddedToken[]): object {
  return {
    added_tokens: added.map(({ content, id }) => ({ content, id, special: true, normalized: false })),
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: { type: "Unigram", unk_id: 0, vocab: [["", 0]] },
  };
}

/** The text between special tokens reaches the model whole; SentencePiece normalizes and splits each on its own. */
function useSentencePiece(library: UnigramModel, model: SpieceModel, ids: ReadonlyMap<string, number>): void {
  const normalize = createNormalizer(model);
  const split = createUnigram(model);
  library.tokens_to_ids = ids;
  library.unk_token_id = model.unknownId;
  library.tokenize = (text) => split(normalize(text));
}

/** Sentinels swallow the white space around them; the library's own trim() is not Python's. */
function createStripper(added: readonly AddedToken[]): (text: string) => string {
  let patterns: readonly [before: RegExp, after: RegExp] | undefined; // a plan opens a tokenizer and encodes nothing
  return (text) => {
    const [before, after] = (patterns ??= strippingPatterns(added));
    return text.replace(before, "").replace(after, "");
  };
}

function strippingPatterns(added: readonly AddedToken[]): readonly [before: RegExp, after: RegExp] {
  const alternatives = (tokens: readonly AddedToken[]): string =>
    tokens.map(({ content }) => content.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&")).join("|") || "(?!)";
  const before = pythonRegExp`(?<!\s)\s+(?=${alternatives(added.filter((token) => token.lstrip))})`;
  const after = pythonRegExp`(?=\s)(?<=${alternatives(added.filter((token) => token.rstrip))})\s+`;
  return [before, after];
}
