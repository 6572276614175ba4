/**
 * @module tokenizers/mojibake
 * Undoes UTF-8 that was read in a single-byte encoding ("itâ€™s" -> "it’s"), all of the text at once or in places.
 * Source: behaviour of ftfy 6.3, fix_encoding with its default configuration.
 */

import { looksLikeMojibake } from "./mojibake-signs.ts";
import { encodeSingleByte, singleByteEncodings, type SingleByteEncoding } from "./single-byte-encodings.ts";

/** Repeats until nothing changes: text may have been through it more than once. */
export function fixEncoding(text: string): string {
  for (;;) {
    const fixed = fixEncodingOnce(text);
    if (fixed === text) return text;
    text = fixed;
  }
}

function fixEncodingOnce(text: string): string {
  if (!looksLikeMojibake(text)) return text;
  for (const encoding of singleByteEncodings) {
    const bytes = encodeSingleByte(text, encoding);
    const decoded = bytes === undefined ? undefined : decodeUtf8(repairBytes(bytes, encoding));
    if (decoded !== undefined) return decoded;
  }
  const inPlaces = fixInPlaces(text);
  if (inPlaces !== text) return inPlaces;
  return fixLatin1(text) ?? fixC1Controls(text);
}

/** C1 controls are Windows-1252 read as Latin-1; its five unassigned bytes stay. */
export function fixC1Controls(text: string): string {
  return text.replace(/[\x80-\x9f]/gu, (control) => windows1252.characters[control.charCodeAt(0)] ?? control);
}

function findEncoding(name: SingleByteEncoding["name"]): SingleByteEncoding {
  const found = singleByteEncodings.find((encoding) => encoding.name === name);
  if (found === undefined) throw new Error(`There is no encoding ${name}.`);
  return found;
}

const windows1252 = findEncoding("windows-1252");
const latin1 = findEncoding("latin-1");

/** Latin-1 throughout that is valid Windows-1252 too. */
function fixLatin1(text: string): string | undefined {
  if (encodeSingleByte(text, latin1) === undefined || /[\x81\x8d\x8f\x90\x9d]/u.test(text)) return undefined;
  const fixed = fixC1Controls(text);
  return fixed === text ? undefined : fixed;
}

const oneOf = (...patterns: string[]): RegExp => new RegExp(patterns.join("|"), "gu");

/** UTF-8 whose byte A0 (no-break space) became a space; only where the result is a likely character. */
const lostA0 = oneOf(
  "[\\xc2\\xc3\\xc5\\xce\\xd0\\xd9] ",
  "[\\xe2\\xe3] [\\x80-\\x84\\x86-\\x9f\\xa1-\\xbf]",
  "[\\xe0-\\xe3][\\x80-\\x84\\x86-\\x9f\\xa1-\\xbf] ",
  "\\xf0 [\\x80-\\xbf][\\x80-\\xbf]",
  "\\xf0[\\x80-\\xbf] [\\x80-\\xbf]",
  "\\xf0[\\x80-\\xbf][\\x80-\\xbf] ",
);
/** "à" as a word of its own keeps a space behind it, but not in Portuguese "àquele", "àquela", "àquilo", "às". */
const lostGrave = /\xc3 (?! |quele|quela|quilo|s )/gu;
const lost = "[\\x1a?]";
const rest = "[\\x1a\\x80-\\xbf]";
/** UTF-8 with bytes lost to 1A or, once in a sequence, to "?". */
const lostBytes = oneOf(
  "[\\xc2-\\xdf]\\x1a",
  "[\\xc2-\\xc3]\\?",
  `\\xed[\\xa0-\\xaf]${lost}\\xed[\\xb0-\\xbf][\\x1a?\\x80-\\xbf]`,
  `\\xed[\\xa0-\\xaf][\\x1a?\\x80-\\xbf]\\xed[\\xb0-\\xbf]${lost}`,
  `[\\xe0-\\xef](?:${lost}${rest}|${rest}${lost})`,
  `[\\xf0-\\xf4](?:${lost}${rest}${rest}|${rest}${lost}${rest}|${rest}${rest}${lost})`,
  "\\x1a",
);
const replacementBytes = "\xef\xbf\xbd";

function repairBytes(bytes: string, encoding: SingleByteEncoding): string {
  let repaired = bytes;
  // Not in MacRoman: there it would match an en dash and a space.
  if (encoding.name !== "macroman" && bytes.search(lostA0) >= 0) {
    repaired = repaired.replace(lostGrave, "\xc3\xa0 ").replace(lostA0, (found) => found.replaceAll(" ", "\xa0"));
  }
  return encoding.lossy ? repaired.replace(lostBytes, replacementBytes) : repaired;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8, and its variants: CESU-8 (surrogates encoded one by one) and Java's two-byte null. */
function decodeUtf8(bytes: string): string | undefined {
  const standard = bytes
    .replace(/\xc0\x80/gu, "\0")
    .replace(/\xed([\xa0-\xaf])([\x80-\xbf])\xed([\xb0-\xbf])([\x80-\xbf])/gu, (_, ...units: string[]) => {
      const [a = 0, b = 0, c = 0, d = 0] = units.slice(0, 4).map((unit) => unit.charCodeAt(0));
      const code = 0x10000 + ((a & 0x0f) << 16) + ((b & 0x3f) << 10) + ((c & 0x0f) << 6) + (d & 0x3f);
      return Buffer.from(String.fromCodePoint(code), "utf8").toString("latin1");
    });
  try {
    return strictUtf8.decode(Buffer.from(standard, "latin1"));
  } catch {
    return undefined;
  }
}

/** Encodings whose upper half is made like Latin-1's, so that UTF-8 read in them has a recognisable shape. */
const latinLike = singleByteEncodings.filter(({ name }) => name === "latin-1" || name.startsWith("windows-"));

function charactersOfBytes(...bytes: number[]): string {
  return [...new Set(latinLike.flatMap(({ characters }) => bytes.map((byte) => characters[byte] ?? "")))].join("");
}

const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);
const following = charactersOfBytes(...range(0x80, 0xbf));
/** Those that do not stand for themselves next to mojibake. */
const strictlyFollowing = following.replace(/[–—―‘’‚“”„•…]/gu, "");
const utf8Shape = new RegExp(
  `(?<![${strictlyFollowing}])(?:` +
    `[${charactersOfBytes(...range(0xc2, 0xdf))}][ ${following}]|` +
    `[${charactersOfBytes(...range(0xe0, 0xef))}][ ${following}]{2}|` +
    `[${charactersOfBytes(0xf0, 0xf3)}][ ${following}]{3})+`,
  "gu",
);

function fixInPlaces(text: string): string {
  return text.replace(utf8Shape, (found) =>
    found.length < text.length && looksLikeMojibake(found) ? fixEncoding(found) : found,
  );
}
