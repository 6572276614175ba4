/**
 * @module tokenizers/html-entities
 * Character references -> characters, in the three dialects that meet in a caption: Python's html.unescape, ftfy's
 * stricter unescape_html, and Beautiful Soup's. Names are read by the package entities; numbers here, since it keeps the
 * controls that Python drops.
 * Source: behaviour of Python 3.11's html, ftfy 6.3 and Beautiful Soup 4.15; HTML Living Standard §13.2.5.80.
 */

import { decodeHTML, decodeHTMLStrict } from "entities/decode";
import { singleByteEncodings } from "./single-byte-encodings.ts";

const windows1252 = singleByteEncodings.find((encoding) => encoding.name === "windows-1252");
const reference = /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu;

/** Also reads references without semicolon and names that go on ("&notit;" is "¬it;"). */
export function unescapeHtml(text: string): string {
  return text.replace(reference, (whole, body: string) => {
    return body.startsWith("#") ? unescapeNumber(parseReference(body)) : decodeHTML(whole);
  });
}

/** Only references that end in a semicolon. */
export function unescapeHtmlStrictly(text: string): string {
  return text.replace(/&#?[0-9A-Za-z]{1,24};/gu, (whole) => {
    if (!whole.startsWith("&#")) return decodeHTMLStrict(whole);
    const character = unescapeHtml(whole);
    return character.includes(";") ? whole : character;
  });
}

/** @param name without "&" and ";". @returns one or two characters; undefined: HTML has no such name. */
export function namedCharacter(name: string): string | undefined {
  const whole = `&${name};`;
  const character = decodeHTMLStrict(whole);
  return character === whole ? undefined : character;
}

/** "#38", "#38;", "#x26;", "#X26" -> 38. */
export function parseReference(body: string): number {
  const digits = body.slice(1);
  return /^x/iu.test(digits) ? parseInt(digits.slice(1), 16) : parseInt(digits, 10);
}

/** The character of a numeric reference; Windows-1252 for C1 controls, U+FFFD for what is no character. */
export function characterOfReference(code: number): string {
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return "\ufffd";
  if (code >= 0x80 && code <= 0x9f) return windows1252?.characters[code] ?? "";
  return String.fromCodePoint(code);
}

/** html.unescape drops controls and noncharacters, except those that Windows-1252 or U+000D account for. */
function unescapeNumber(code: number): string {
  const isControl = code >= 1 && code <= 0x1f && ![0x09, 0x0a, 0x0c, 0x0d].includes(code);
  const isNoncharacter = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
  if (code <= 0x10ffff && (isControl || isNoncharacter || code === 0x7f)) return "";
  return characterOfReference(code);
}
