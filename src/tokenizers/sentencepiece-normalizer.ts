/**
 * @module tokenizers/sentencepiece-normalizer
 * Text -> the string that pieces are matched against. Each prefix is replaced by the longest rule of the model's own
 * characters map, spaces are collapsed and become U+2581. @huggingface/tokenizers approximates the map by NFKC and a
 * list of exceptions, which loses U+0085, U+200B and others; hence ours.
 * Source: behaviour of SentencePiece 0.2 (normalizer.cc) and of the Darts double array it stores.
 */

import type { SpieceModel } from "./spiece-model.ts";
import { toWellFormed } from "./python-text.ts";

export const spaceSymbol = "\u2581";

export type Normalize = (text: string) => string;

/** What a prefix of the text becomes, and how many characters it was. */
interface Rule {
  readonly text: string;
  readonly length: number;
}

export function createNormalizer(model: SpieceModel): Normalize {
  const { addDummyPrefix, removeExtraSpaces, escapeSpaces, splitsWhiteSpace } = model.normalizer;
  const space = escapeSpaces ? spaceSymbol : " ";
  const findRule = splitsWhiteSpace ? withSpaces(createRuleFinder(model)) : createRuleFinder(model);

  return (text) => {
    const chars = Array.from(toWellFormed(text));
    let start = 0;
    while (removeExtraSpaces && start < chars.length) {
      const rule = findRule(chars, start);
      if (rule.text !== " ") break;
      start += rule.length;
    }
    if (start === chars.length) return "";

    let result = addDummyPrefix && !model.spaceAsSuffix ? space : "";
    let afterSpace = removeExtraSpaces;
    while (start < chars.length) {
      const rule = findRule(chars, start);
      const added = afterSpace ? rule.text.replace(/^ +/u, "") : rule.text;
      result += escapeSpaces ? added.replaceAll(" ", spaceSymbol) : added;
      if (added !== "") afterSpace = removeExtraSpaces && added.endsWith(" ");
      start += rule.length;
    }
    let end = result.length;
    while (removeExtraSpaces && result.startsWith(space, end - 1)) end--;
    result = result.slice(0, end);
    return addDummyPrefix && model.spaceAsSuffix ? result + space : result;
  };
}

/** User-defined symbols stand as they are; else the longest rule; else the character itself. */
function createRuleFinder(model: SpieceModel): (chars: readonly string[], start: number) => Rule {
  const symbols = new Map<string, string[][]>(); // by their first characters
  for (const { text, type } of model.pieces) {
    if (type !== "user-defined") continue;
    const chars = Array.from(text);
    const others = symbols.get(chars[0] ?? "") ?? [];
    symbols.set(
      chars[0] ?? "",
      [...others, chars].sort((a, b) => b.length - a.length),
    );
  }
  const findMapped = createCharsMap(model.normalizer.charsMap);

  return (chars, start) => {
    const symbol = symbols
      .get(chars[start] ?? "")
      ?.find((candidate) => candidate.every((char, i) => chars[start + i] === char));
    if (symbol !== undefined) return { text: symbol.join(""), length: symbol.length };
    return findMapped(chars, start) ?? { text: chars[start] ?? "", length: 1 };
  };
}

/** Of Unicode's white space. */
function withSpaces(findRule: (chars: readonly string[], start: number) => Rule): typeof findRule {
  return (chars, start) => {
    const rule = findRule(chars, start);
    return { ...rule, text: rule.text.replace(/\p{White_Space}/gu, " ") };
  };
}

/** No rule of Unicode's NFKC replaces more characters than this. */
const maxRuleLength = 64;

/**
 * A Darts double array: unit = label (8 bits), leaf flag (bit 8), offset (the rest). From a node, byte b leads to
 * unit[node ^ offset ^ b] if that unit's label is b; a leaf's value stands at its offset.
 */
function createCharsMap(bytes: Uint8Array): (chars: readonly string[], start: number) => Rule | undefined {
  if (bytes.length === 0) return () => undefined;
  const units = new Uint32Array(bytes.buffer, 4, new DataView(bytes.buffer).getUint32(0, true) / 4);
  const strings = bytes.subarray(4 + units.byteLength);
  const encoder = new TextEncoder();
  const stringAt = (offset: number): string => {
    const end = strings.indexOf(0, offset);
    return Buffer.from(strings.subarray(offset, end < 0 ? undefined : end)).toString("utf8");
  };

  return (chars, start) => {
    let node = offsetOf(units[0] ?? 0);
    let longest: Rule | undefined;
    for (let i = start; i < Math.min(chars.length, start + maxRuleLength); i++) {
      for (const byte of encoder.encode(chars[i])) {
        const unit = units[node ^ byte] ?? 0;
        if (labelOf(unit) !== byte) return longest;
        node ^= byte ^ offsetOf(unit);
        if (hasLeaf(unit)) longest = { text: stringAt((units[node] ?? 0) & 0x7fffffff), length: i - start + 1 };
      }
    }
    return longest;
  };
}

const labelOf = (unit: number): number => (unit & 0x800000ff) >>> 0;
const hasLeaf = (unit: number): boolean => (unit & 0x100) !== 0;
const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
