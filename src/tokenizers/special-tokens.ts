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
  const additional = merged["additional_special_tokens"];
  return {
    roles: new Map(
      roles.flatMap((role) => {
        const spec = merged[role];
        return spec === undefined || spec === null ? [] : [[role, parseSpec(folder, role, spec)] as const];
      }),
    ),
    additional: Array.isArray(additional)
      ? additional.map((spec: unknown) => parseSpec(folder, "additional_special_tokens", spec))
      : [],
    added: isObject(decoder)
      ? Object.entries(decoder).map(([id, spec]) => parseAdded(folder, Number(id), spec))
      : Object.entries(addedTokens).map(([content, id]) => parseAdded(folder, Number(id), content)),
    extraIds: typeof extraIds === "number" ? extraIds : undefined,
    cleanUpSpaces: typeof cleanUp === "boolean" ? cleanUp : undefined,
  };
}

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

function parseAdded(folder: string, id: number, spec: unknown): AddedToken {
  if (!Number.isInteger(id) || id < 0) {
    throw new CheckpointError(`The tokenizer in ${folder} gives an added token an id that is no whole number.`);
  }
  return { ...parseSpec(folder, "added tokens", spec), id };
}

function parseSpec(folder: string, key: string, spec: unknown): TokenSpec {
  if (typeof spec === "string") return { content: spec, lstrip: false, rstrip: false };
  if (isObject(spec) && typeof spec["content"] === "string") {
    return { content: spec["content"], lstrip: spec["lstrip"] === true, rstrip: spec["rstrip"] === true };
  }
  const file = join(folder, "tokenizer_config.json");
  throw new CheckpointError(`"${key}" in ${file} or special_tokens_map.json is neither a string nor a token.`);
}
