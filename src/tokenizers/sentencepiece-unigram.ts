/**
 * @module tokenizers/sentencepiece-unigram
 * The most probable segmentation into pieces (Viterbi; Kudo 2018, arXiv 1804.10959, §3.2), with SentencePiece's own
 * arithmetic: path scores are float32 sums from left to right, and of equal paths the one with the longest last piece
 * stays, which decides near ties ("xxxx"). @huggingface/tokenizers adds in float64 and knows no user-defined, unused or
 * byte pieces.
 * Source: behaviour of SentencePiece 0.2.2 (unigram_model.cc, EncodeOptimized).
 */

import type { SpieceModel } from "./spiece-model.ts";

interface BestPath {
  score: number;
  /** Where its last piece starts; -1: nothing ends here yet. */
  start: number;
  unknown: boolean;
}

const largestFloat = 3.4028234663852886e38; // FLT_MAX and FLT_MIN: where SentencePiece starts its search
const smallestFloat = 2 ** -126; // for the smallest and the largest score
const unknownPenalty = 10;

/** @returns a function: normalized text -> pieces; a run of unknown characters is one piece, or pieces of bytes. */
export function createUnigram(model: SpieceModel): (text: string) => string[] {
  const scores = listScores(model);
  let longest = 0; // in UTF-16 units, so at least as many as characters
  for (const text of scores.keys()) longest = Math.max(longest, text.length);
  const unknownScore = Math.fround(scoreRange(model).min - unknownPenalty);

  return (text) => {
    const chars = Array.from(text);
    const best = Array.from({ length: chars.length + 1 }, (): BestPath => ({ score: 0, start: -1, unknown: false }));
    const offer = (start: number, end: number, score: number, unknown: boolean): void => {
      const target = best[end];
      if (target === undefined || (target.start >= 0 && score <= target.score)) return;
      Object.assign(target, { score, start, unknown });
    };
    for (let start = 0; start < chars.length; start++) {
      const soFar = best[start]?.score ?? 0;
      let piece = "";
      for (let end = start + 1; end <= Math.min(chars.length, start + longest); end++) {
        piece += chars[end - 1] ?? "";
        const score = scores.get(piece);
        if (score !== undefined) offer(start, end, Math.fround(score + soFar), false);
      }
      const single = scores.has(chars[start] ?? "");
      if (!single) offer(start, start + 1, Math.fround(unknownScore + soFar), true);
    }
    return backtrack(chars, best, model.byteFallback);
  };
}

/** Only pieces that text can spell: no control, unknown, unused or byte pieces. */
function listScores(model: SpieceModel): ReadonlyMap<string, number> {
  const { max } = scoreRange(model);
  const scores = new Map<string, number>();
  for (const { text, score, type } of model.pieces) {
    if (type === "normal") scores.set(text, score);
    // Almost 0, the score of certainty: a user-defined symbol wins wherever it stands.
    else if (type === "user-defined") scores.set(text, Math.fround(Math.fround(Buffer.byteLength(text) * max) - 0.1));
  }
  return scores;
}

function scoreRange(model: SpieceModel): { min: number; max: number } {
  const range = { min: largestFloat, max: smallestFloat };
  for (const { score, type } of model.pieces) {
    if (type !== "normal") continue;
    range.min = Math.min(range.min, score);
    range.max = Math.max(range.max, score);
  }
  return range;
}

function backtrack(chars: readonly string[], best: readonly BestPath[], byteFallback: boolean): string[] {
  const spans: { text: string; unknown: boolean }[] = [];
  for (let end = chars.length; end > 0;) {
    const { start, unknown } = best[end] ?? { start: 0, unknown: true };
    spans.push({ text: chars.slice(start, end).join(""), unknown });
    end = start;
  }
  spans.reverse();
  const pieces: string[] = [];
  spans.forEach(({ text, unknown }, i) => {
    if (unknown && byteFallback) for (const piece of bytePieces(text)) pieces.push(piece);
    else if (unknown && spans[i - 1]?.unknown === true) pieces.push(`${pieces.pop() ?? ""}${text}`);
    else pieces.push(text);
  });
  return pieces;
}

function bytePieces(text: string): string[] {
  return Array.from(
    new TextEncoder().encode(text),
    (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
}
