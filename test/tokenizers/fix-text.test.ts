/** Expected: ftfy 6.3.1, fix_text. */

import { expect, test } from "vitest";
import { fixText } from "../../src/tokenizers/fix-text.ts";
import { encodeSingleByte, singleByteEncodings } from "../../src/tokenizers/single-byte-encodings.ts";

test.each([
  ["it\u00e2\u20ac\u2122s", "it's"],
  ["\u00e2\u0153\u201d fine", "\u2714 fine"],
  ["s\u00c3\u00b3 \u00e2\u20ac\u0153x\u00e2\u20ac\u009d", 's\u00f3 "x"'],
  ["voil\u00c3 le travail", "voil\u00e0 le travail"],
  ["l'humanit\u00c3\u00a9", "l'humanit\u00e9"],
  ["\u00f0\u0178\u02dc\u20ac", "\ud83d\ude00"],
  ["\u00d0\u00bf\u00d1\u20ac\u00d0\u00b8\u00d0\u00b2\u00d0\u00b5\u00d1\u201a", "\u043f\u0440\u0438\u0432\u0435\u0442"],
  ["\u0420\u0457\u0421\u0402\u0420\u0451\u0420\u0406\u0420\u00b5\u0421\u201a", "\u043f\u0440\u0438\u0432\u0435\u0442"],
  ["\u00c3\u201a\u00c2\u00a9", "\u00a9"],
  ["\u00e2\u20ac\ufffd", "\ufffd"],
  ["\u00ed\u00a0\u00bd\u00ed\u00b8\u0080 \u00c0\u0080 \u00e2\u20ac\u2122", "\ud83d\ude00 \u00c0\u20ac '"],
  ["na\u00efve caf\u00e9 \u00a35 \u00bd", "na\u00efve caf\u00e9 \u00a35 \u00bd"],
  ["\u00c5\u00a1ord \u201a\u00c4\u00f4 \u221a\u00a9", "\u00c5\u00a1ord '\u00c4\u00f4 \u221a\u00a9"],
  ["a &lt;b&gt; &notanentity; &#8217; &#59;", "a <b> &notanentity; ' &#59;"],
  ["a < b &lt;", "a < b &lt;"],
  ["first &lt;\n<b>\n&lt;", "first <\n<b>\n&lt;"],
  ["\u00e2\u20ac\u0153\u0085 x\u009d", '"\u2026 x\u009d'],
  ["\u02d9\u02c7 \u00a4 \u20ac9", "\u02d9\u02c7 \u00a4 \u20ac9"],
  ["\u00c5n\u00c3  la", "\u00c5n\u00e0  la"],
])("%j", (text, fixed) => {
  expect(fixText(text)).toBe(fixed);
});

// TextDecoder knows these encodings too; what it cannot decode, ours reads as Latin-1, and byte 1A stands for what was lost.
test.each([
  ["windows-1250", "windows-1250"],
  ["windows-1251", "windows-1251"],
  ["windows-1253", "windows-1253"],
  ["windows-1254", "windows-1254"],
  ["windows-1257", "windows-1257"],
  ["iso-8859-2", "iso-8859-2"],
  ["macroman", "macintosh"],
])("the table of %s is right", (name, label) => {
  const encoding = singleByteEncodings.find((candidate) => candidate.name === name);
  const decoder = new TextDecoder(label);
  const expected = Array.from({ length: 256 }, (_, byte) => {
    const character = decoder.decode(Uint8Array.of(byte));
    return character === "\ufffd" ? String.fromCharCode(byte) : character;
  });
  if (encoding?.lossy === true) expected[0x1a] = "\ufffd";
  expect(encoding?.characters).toEqual(expected);
});

test("every encoding can write what it can read", () => {
  expect(singleByteEncodings).toHaveLength(10);
  for (const encoding of singleByteEncodings) {
    expect(new Set(encoding.characters).size, encoding.name).toBe(256);
    const bytes = encodeSingleByte(encoding.characters.join(""), encoding) ?? "";
    expect(Array.from(bytes, (character) => character.charCodeAt(0))).toEqual(Array.from({ length: 256 }, (_, i) => i));
    expect(encodeSingleByte("猫", encoding)).toBeUndefined();
  }
});
