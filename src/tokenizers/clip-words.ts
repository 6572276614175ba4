/**
 * @module tokenizers/clip-words
 * Text -> the words CLIP's BPE is applied to, as transformers 4's slow CLIPTokenizer makes them where ftfy is not
 * installed: control, format and unassigned characters go, CJK ideographs stand alone, NFC, lower case (accents stay),
 * then contractions, runs of letters, single digits, runs of the rest.
 * Source: behaviour of BasicTokenizer(strip_accents=False, do_split_on_punc=False) and CLIPTokenizer._tokenize, 4.57.
 */

import { pythonSplit, toWellFormed } from "./python-text.ts";
import { unassignedInUnicode14 } from "./unicode-14.ts";

/** White space to keep as a boundary; it is looked for before the control characters it belongs to are dropped. */
const blank = /[\t\n\r\p{Zs}]/gu;
const dropped = new RegExp(`[\\p{C}\\ufffd${unassignedInUnicode14}]`, "gu");
const ideograph =
  /[\u{4e00}-\u{9fff}\u{3400}-\u{4dbf}\u{20000}-\u{2a6df}\u{2a700}-\u{2ceaf}\u{f900}-\u{faff}\u{2f800}-\u{2fa1f}]/gu;
/**
 * The reference's pattern ignores case, which matters for two characters after lower-casing: "ſ" counts as "s", and
 * U+0345, no letter but a case variant of one, matches nothing and is lost.
 */
const word = /<\|[sſ]tartoftext\|>|<\|endoftext\|>|'[sſ]|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}\u0345]+/gu;

export function splitClipWords(text: string): string[] {
  const clean = toWellFormed(text).replace(blank, " ").replace(dropped, "");
  const spaced = clean.replace(ideograph, " $& ").normalize("NFC");
  return pythonSplit(spaced.toLowerCase()).join(" ").match(word) ?? [];
}

/** White space as the reference's regular expressions mean it. */
const fastWord =
  /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

/**
 * The words of transformers 5's CLIPTokenizer (tokenizers 0.23): NFC, then every character's own lower case, nothing dropped.
 */
export function splitFastClipWords(text: string): string[] {
  const lower = Array.from(toWellFormed(text).normalize("NFC"), (char) => char.toLowerCase()).join(""); // final sigma is none
  return lower.match(fastWord) ?? [];
}

/**
 * CLIP's alphabet of bytes: printable Latin-1 stands for itself, the other 68 bytes follow from U+0100 on.
 * Source: bytes_to_unicode of GPT-2 (Radford et al. 2019).
 */
const byteAlphabet: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : next++);
  });
})();

/** @returns `word`'s UTF-8 bytes, each as one character of the alphabet. */
export function writeInBytes(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => byteAlphabet[byte]).join("");
}
