/**
 * @module tokenizers/special-tokens
 * Which tokens a checkpoint declares beside its vocabulary. special_tokens_map.json wins over tokenizer_config.json
 * (so "!" pads Stable Diffusion 2's CLIP, whose config says otherwise), unless the config lists `added_tokens_decoder`:
 * then the map is not read. Source: behaviour of PreTrainedTokenizerBase.from_pretrained, transformers 4.57.
 */

import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { isObject, readOptionalTokenizerJson, type JsonObject } from "./tokenizer-files.ts";

/** A token that is found in the text before anything else looks at it. */
export interface TokenSpec {
  readonly content: string;
  /** Takes the white space before (after) it along. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

export interface AddedToken extends TokenSpec {
  readonly id: number;
}

export type SpecialRole = "bos_token" | "eos_token" | "unk_token" | "pad_token";

export interface SpecialTokens {
  readonly roles: ReadonlyMap<SpecialRole, TokenSpec>;
  readonly additional: readonly TokenSpec[];
  /** Tokens whose ids the checkpoint fixes itself (`added_tokens_decoder`, added_tokens.json). */
  readonly added: readonly AddedToken[];
  readonly extraIds: number | undefined;
  readonly cleanUpSpaces: boolean | undefined;
}

/** T5 has 103. Each is looked for in every text. */
const maxTokens = 4096;
const maxTokenLength = 256;
/** An embedding has a row per id. */
const maxId = 10_000_000;

const roles: readonly SpecialRole[] = ["bos_token", "eos_token", "unk_token", "pad_token"];

/**
 * @param defaults what the tokenizer's class takes where no file names the token.
 * @throws {CheckpointError} one of the JSON files is broken or an entry has the wrong type.
 */
export async function readSpecialTokens(
  folder: string,
  defaults: Readonly<Partial<Record<SpecialRole, string>>>,
): Promise<SpecialTokens> {
  const [config, map, addedTokens] = await Promise.all([
    readOptionalTokenizerJson(folder, "tokenizer_config.json"),
    readOptionalTokenizerJson(folder, "special_tokens_map.json"),
    readOptionalTokenizerJson(folder, "added_tokens.json"),
  ]);
  const decoder = config["added_tokens_decoder"];
  const merged: JsonObject = isObject(decoder) ? { ...defaults, ...config } : { ...defaults, ...config, ...map };
  const { extra_ids: extraIds, clean_up_tokenization_spaces: cleanUp } = merged;
  const additional = listOf(merged["additional_special_tokens"]);
  const added = Object.entries(isObject(decoder) ? decoder : addedTokens);
  const count = Math.max(additional.length, added.length, typeof extraIds === "number" ? extraIds : 0);
  if (typeof extraIds === "number" && !(Number.isInteger(extraIds) && extraIds >= 0)) {
    throw new CheckpointError(`The tokenizer in ${folder} gives extra_ids that are no whole number.`);
  }
  if (count > maxTokens) throw tooMany(folder, count);
  return {
    roles: new Map(
      roles.flatMap((role) => {
        const spec = merged[role];
        return spec === undefined || spec === null ? [] : [[role, parseSpec(folder, role, spec)] as const];
      }),
    ),
    additional: additional.map((spec) => parseSpec(folder, "additional_special_tokens", spec)),
    added: added.map(([key, value]) =>
      isObject(decoder) ? parseAdded(folder, Number(key), value) : parseAdded(folder, Number(value), key),
    ),
    extraIds: typeof extraIds === "number" ? extraIds : undefined,
    cleanUpSpaces: typeof cleanUp === "boolean" ? cleanUp : undefined,
  };
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/**
 * @param list `added_tokens` of a tokenizer.json: tokens with their ids.
 * @throws {CheckpointError} it is no such list, or too long.
 */
export function readAddedTokens(folder: string, list: unknown): AddedToken[] {
  const tokens = listOf(list);
  if (tokens.length > maxTokens) throw tooMany(folder, tokens.length);
  return tokens.map((token) => parseAdded(folder, isObject(token) ? Number(token["id"]) : NaN, token));
}

const tooMany = (folder: string, count: number): CheckpointError =>
  new CheckpointError(`The tokenizer in ${folder} adds ${count} tokens of its own; ${maxTokens} are allowed.`);

/** A vocabulary, as far as declared tokens ask it. */
export interface Vocabulary {
  readonly size: number;
  idOf(token: string): number | undefined;
}

/**
 * Gives each declared token its id: the one the checkpoint fixes, else its place in the vocabulary, else the next free one.
 * @param added tokens whose ids are known; @param declared the others, in order.
 */
export function assignIds(
  vocabulary: Vocabulary,
  added: readonly AddedToken[],
  declared: readonly TokenSpec[],
): AddedToken[] {
  const tokens = new Map(added.map((token) => [token.content, token]));
  let next = vocabulary.size + [...tokens.keys()].filter((content) => vocabulary.idOf(content) === undefined).length;
  for (const spec of declared) {
    if (!tokens.has(spec.content)) tokens.set(spec.content, { ...spec, id: vocabulary.idOf(spec.content) ?? next++ });
  }
  return [...tokens.values()];
}

/** @throws {CheckpointError} the id is no row of an embedding, or the token is none. */
function parseAdded(folder: string, id: number, spec: unknown): AddedToken {
  if (!Number.isInteger(id) || id < 0 || id > maxId) {
    throw new CheckpointError(
      `The tokenizer in ${folder} gives an added token an id that is no whole number up to ${maxId}.`,
    );
  }
  return { ...parseSpec(folder, "added tokens", spec), id };
}

function parseSpec(folder: string, key: string, spec: unknown): TokenSpec {
  if (typeof spec === "string" && isToken(spec)) return { content: spec, lstrip: false, rstrip: false };
  if (isObject(spec) && typeof spec["content"] === "string" && isToken(spec["content"])) {
    return { content: spec["content"], lstrip: spec["lstrip"] === true, rstrip: spec["rstrip"] === true };
  }
  const file = join(folder, "tokenizer_config.json");
  throw new CheckpointError(`"${key}" in ${file} or special_tokens_map.json is neither a string nor a token.`);
}

const isToken = (content: string): boolean => content !== "" && content.length <= maxTokenLength;
