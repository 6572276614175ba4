/**
 * @module tokenizers/fix-text
 * ftfy.fix_text with its default configuration: HTML references, mojibake, ligatures, character width, curly quotes,
 * line breaks, surrogates, terminal escapes, control characters, NFC; line after line, each until nothing changes.
 * Source: behaviour of ftfy 6.3.
 */

import { unescapeHtmlStrictly } from "./html-entities.ts";
import { fixC1Controls, fixEncoding } from "./mojibake.ts";
import { pythonRegExp, toWellFormed } from "./python-text.ts";

export function fixText(text: string): string {
  let unescapes = true;
  return text.replace(/[^\n]*\n|[^\n]+$/gu, (line) => {
    unescapes &&= !line.includes("<"); // markup: its references are meant as such, from here on
    return fixLine(line, unescapes);
  });
}

function fixLine(line: string, unescapes: boolean): string {
  for (;;) {
    const unescaped = unescapes && !line.includes("<") ? unescapeHtmlStrictly(line) : line;
    const fixed = fixCharacters(fixC1Controls(fixEncoding(unescaped)));
    if (fixed === line) return line;
    line = fixed;
  }
}

const terminalEscapes = pythonRegExp`\x1b\[[\d;]*[a-zA-Z]`;
const controls = pythonRegExp`[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]`;

function fixCharacters(text: string): string {
  const readable = text
    .replace(/[ĲĳŉǄ-ǌǱ-ǳﬀ-ﬆ]/gu, (ligature) => ligatures[ligature] ?? ligature)
    .replace(/[\u3000\uff01-\uffef]/gu, (wide) => wide.normalize("NFKC"))
    .replace(/[\u02bc\u2018-\u201b]/gu, "'")
    .replace(/[\u201c-\u201f]/gu, '"')
    .replace(/\r\n|[\r\u2028\u2029\x85]/gu, "\n");
  return toWellFormed(readable).replace(terminalEscapes, "").replace(controls, "").normalize("NFC");
}

const ligatures: Readonly<Record<string, string>> = {
  Ĳ: "IJ",
  ĳ: "ij",
  ŉ: "\u02bcn",
  Ǆ: "DŽ",
  ǅ: "Dž",
  ǆ: "dž",
  Ǉ: "LJ",
  ǈ: "Lj",
  ǉ: "lj",
  Ǌ: "NJ",
  ǋ: "Nj",
  ǌ: "nj",
  Ǳ: "DZ",
  ǲ: "Dz",
  ǳ: "dz",
  ﬀ: "ff",
  ﬁ: "fi",
  ﬂ: "fl",
  ﬃ: "ffi",
  ﬄ: "ffl",
  ﬅ: "ſt",
  ﬆ: "st",
};
