/**
 * @module tokenizers/clip-vocabulary
 * CLIP's vocabulary and merges: from vocab.json and merges.txt or, where a checkpoint was saved by transformers 5, from
 * tokenizer.json, which then stands alone.
 */

import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { listLimits } from "../files/json.ts";
import { type AddedToken, readAddedTokens } from "./special-tokens.ts";
import {
  hasTokenizerFile,
  isObject,
  type JsonObject,
  readTokenizerFile,
  readTokenizerJson,
} from "./tokenizer-files.ts";

export interface ClipVocabulary {
  readonly vocab: Readonly<Record<string, number>>;
  /** Best first. */
  readonly merges: readonly (readonly [string, string])[];
  /** Only where tokenizer.json lists the added tokens with their ids. */
  readonly added?: readonly AddedToken[];
}

const maxMerges = 49152 - 256 - 2;

/** @throws {CheckpointError} a file is missing or broken; the message names it. */
export async function readClipVocabulary(folder: string): Promise<ClipVocabulary> {
  const isAlone = !(await hasTokenizerFile(folder, "vocab.json")) && (await hasTokenizerFile(folder, "tokenizer.json"));
  if (isAlone) return parseBpeJson(await readTokenizerJson(folder, "tokenizer.json", listLimits), folder);
  const vocab = await readTokenizerJson(folder, "vocab.json", listLimits);
  return { vocab: checkVocab(vocab, join(folder, "vocab.json")), merges: await readMerges(folder) };
}

function parseBpeJson(json: JsonObject, folder: string): ClipVocabulary {
  const path = join(folder, "tokenizer.json");
  const model = json["model"];
  if (!isObject(model) || model["type"] !== "BPE" || model["end_of_word_suffix"] !== "</w>") {
    throw new CheckpointError(
      `${path} is not a tokenizer of CLIP: its model is not a BPE of words that end in "</w>".`,
    );
  }
  const { vocab, merges } = model;
  return {
    vocab: checkVocab(isObject(vocab) ? vocab : {}, path),
    merges: (Array.isArray(merges) ? merges : []).map((merge: unknown, i) => {
      const pair: unknown = typeof merge === "string" ? merge.split(" ") : merge; // as transformers 4 wrote them
      if (!isPair(pair)) throw new CheckpointError(`${path}: merge ${i + 1} is not a pair of tokens.`);
      return pair;
    }),
    added: readAddedTokens(folder, json["added_tokens"]),
  };
}

function isPair(value: unknown): value is readonly [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "string" && part !== "");
}

function checkVocab(vocab: JsonObject, path: string): Readonly<Record<string, number>> {
  const ids = Object.values(vocab);
  if (ids.length === 0 || !ids.every((id) => Number.isInteger(id) && Number(id) >= 0)) {
    throw new CheckpointError(`${path} must map tokens to whole numbers.`);
  }
  return vocab as Readonly<Record<string, number>>;
}

/** One pair a line, best first, after a line with the version. */
async function readMerges(folder: string): Promise<(readonly [string, string])[]> {
  const text = Buffer.from(await readTokenizerFile(folder, "merges.txt")).toString("utf8");
  const lines = text
    .trim()
    .split(/\r?\n/u, 1 + maxMerges)
    .slice(1);
  return lines.map((line, i) => {
    const [first, second, ...rest] = line.trim().split(/\s+/u, 3);
    if (first === undefined || second === undefined || rest.length > 0) {
      throw new CheckpointError(`${join(folder, "merges.txt")} line ${i + 2} is not a pair of tokens.`);
    }
    return [first, second] as const;
  });
}
