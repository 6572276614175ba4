/**
 * @module tokenizers/unigram-json
 * tokenizer.json of a T5 checkpoint that was saved by transformers 5, which writes no spiece.model -> the same model, cut with the
 * same arithmetic. What differs in that version: any white space separates words, and "</s>" is added after one in the text.
 * Source: behaviour of tokenizers 0.23 (Unigram, Precompiled, WhitespaceSplit, Metaspace); T5Tokenizer of transformers 5.24.
 */

import { join } from "node:path";
import { z } from "zod";
import { CheckpointError } from "../errors.ts";
import { parseCharsMap, type Piece, spieceFault, type SpieceModel } from "./spiece-model.ts";
import { type AddedToken, readAddedTokens } from "./special-tokens.ts";
import { type JsonObject } from "./tokenizer-files.ts";

const unigram = z.object({
  type: z.literal("Unigram"),
  unk_id: z.int().nonnegative(),
  byte_fallback: z.boolean().default(false),
});

/** Steps that sentencepiece-normalizer does as well: what they are for is part of the model. */
const knownSteps: ReadonlySet<string> = new Set(["Precompiled", "Replace", "Strip", "WhitespaceSplit", "Metaspace"]);

/**
 * @param json what tokenizer.json in `folder` holds.
 * @throws {CheckpointError} it is not a unigram model with T5's normalizer, or broken.
 */
export function parseUnigramJson(json: JsonObject, folder: string): { model: SpieceModel; added: AddedToken[] } {
  const path = join(folder, "tokenizer.json");
  const fail = (why: string, cause?: unknown): never => {
    throw new CheckpointError(`${path} is not a tokenizer of T5: ${why}.`, { cause });
  };
  const added = readAddedTokens(folder, json["added_tokens"]);
  const settings = unigram.safeParse(json["model"]);
  if (!settings.success) return fail("its model is not of the unigram kind");
  const steps = [...stepsOf(json["normalizer"]), ...stepsOf(json["pre_tokenizer"])];
  const stranger = steps.find(({ type }) => !knownSteps.has(String(type)));
  if (stranger !== undefined) return fail(`it has a step of a kind that if-gen does not know`);
  const vocabulary = (json["model"] as JsonObject)["vocab"];
  const addedIds = new Set(added.map(({ id }) => id));
  const pieces = (Array.isArray(vocabulary) ? vocabulary : []).map((entry: unknown, id): Piece => {
    const isUnknown = id === settings.data.unk_id;
    return (
      parsePiece(entry, isUnknown ? "unknown" : addedIds.has(id) ? "control" : "normal") ?? fail("its vocab is broken")
    );
  });
  const model: SpieceModel = {
    pieces,
    unknownId: settings.data.unk_id < pieces.length ? settings.data.unk_id : -1,
    byteFallback: settings.data.byte_fallback,
    spaceAsSuffix: false,
    normalizer: {
      charsMap: readCharsMap(steps, fail),
      addDummyPrefix: steps.some((step) => step["type"] === "Metaspace" && step["prepend_scheme"] !== "never"),
      removeExtraSpaces: true,
      escapeSpaces: true,
      splitsWhiteSpace: steps.some(({ type }) => type === "WhitespaceSplit"),
    },
  };
  const fault = spieceFault(model);
  return fault === undefined ? { model, added } : fail(fault);
}

function readCharsMap(steps: readonly JsonObject[], fail: (why: string, cause?: unknown) => never): Uint8Array {
  const map = steps.find(({ type }) => type === "Precompiled")?.["precompiled_charsmap"];
  if (typeof map !== "string") return new Uint8Array();
  try {
    return parseCharsMap(Buffer.from(map, "base64"));
  } catch (error) {
    return fail("its map of characters is damaged", error);
  }
}

function parsePiece(entry: unknown, type: Piece["type"]): Piece | undefined {
  if (!Array.isArray(entry)) return undefined;
  const [text, score] = entry as unknown[];
  return typeof text === "string" && typeof score === "number" ? { text, score: Math.fround(score), type } : undefined;
}

/** A step, or those of a sequence, which may hold another. */
function stepsOf(step: unknown): JsonObject[] {
  if (typeof step !== "object" || step === null) return [];
  const { type, normalizers, pretokenizers } = step as JsonObject;
  if (type !== "Sequence") return [step as JsonObject];
  const inner = normalizers ?? pretokenizers;
  return Array.isArray(inner) ? inner.flatMap(stepsOf) : [];
}
