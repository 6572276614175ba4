/**
 * @module tokenizers/t5-decoder
 * Ids -> text, for the warning about what did not fit. Source: behaviour of T5Tokenizer.decode, transformers 4.57:
 * sentinels stand alone between spaces, other special tokens stick to what precedes them.
 */

import { pythonStrip } from "./python-text.ts";
import { spaceSymbol } from "./sentencepiece-normalizer.ts";
import type { SpieceModel } from "./spiece-model.ts";
import type { AddedToken, SpecialTokens } from "./special-tokens.ts";

export function createT5Decoder(
  model: SpieceModel,
  added: readonly AddedToken[],
  special: SpecialTokens,
): (ids: readonly number[]) => string {
  const addedById = new Map(added.map((token) => [token.id, token.content]));
  const roles = new Set(Array.from(special.roles.values(), (token) => token.content));

  return (ids) => {
    const parts: string[] = [];
    let run: number[] = [];
    let part = "";
    const endRun = (): void => {
      part += decodePieces(model, run);
      run = [];
    };
    const endPart = (): void => {
      endRun();
      if (pythonStrip(part) !== "") parts.push(pythonStrip(part));
      part = "";
    };
    for (const id of ids) {
      const content = addedById.get(id);
      if (content === undefined) {
        run.push(id);
      } else if (roles.has(content)) {
        if (run.length > 0 || part === "") part += " ";
        endRun();
        part += content;
      } else {
        endPart();
        parts.push(content);
      }
    }
    endPart();
    const text = parts.join(" ");
    return special.cleanUpSpaces === true ? cleanUpSpaces(text) : text;
  };
}

/** Pieces joined, U+2581 back to spaces, none that normalizing added at the start; byte pieces are read as UTF-8. */
function decodePieces(model: SpieceModel, ids: readonly number[]): string {
  const bytes = ids.flatMap((id): number[] => {
    const piece = model.pieces[id];
    if (piece === undefined || piece.type === "control") return [];
    if (piece.type === "byte") return [Number(piece.text.slice(1, -1))];
    return [...Buffer.from(piece.text)];
  });
  const text = Buffer.from(bytes).toString("utf8").replaceAll(spaceSymbol, " ");
  if (model.normalizer.removeExtraSpaces) return text.replace(/^ +/u, "");
  return model.normalizer.addDummyPrefix ? text.replace(/^ /u, "") : text;
}

/** transformers' clean_up_tokenization: no space before English punctuation and contractions. */
function cleanUpSpaces(text: string): string {
  return text
    .replace(/ ([.?!,])/gu, "$1")
    .replace(/ ' /gu, "'")
    .replace(/ (n't|'m|'s|'ve|'re)/gu, "$1");
}
