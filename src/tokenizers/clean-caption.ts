/**
 * @module tokenizers/clean-caption
 * What happens to a prompt before IF's tokenizer sees it. With cleaning: the filter IF's training captions went through
 * (web addresses, markup, file names, article numbers, shop phrases), twice, because the pipelines apply it twice.
 * It goes far: "10x20" and CJK ideographs vanish, "a,b" becomes "a, b". Without: lower case, no space around.
 * Source: behaviour of IFPipeline._text_preprocessing, diffusers at 58eb52c, with ftfy 6.3 and Beautiful Soup 4.15.
 */

import { unescapeHtml } from "./html-entities.ts";
import { extractHtmlText } from "./html-text.ts";
import { fixText } from "./fix-text.ts";
import { checkPromptLength } from "./prompt-length.ts";
import { pythonRegExp, pythonStrip, toWellFormed } from "./python-text.ts";

/** @throws {UsageError} the text is too long; cleaning was asked for and the text holds markup that the reference's parser refuses. */
export function preprocessCaption(text: string, options: { cleanCaption: boolean }): string {
  checkPromptLength(text);
  const caption = toWellFormed(text);
  return options.cleanCaption ? cleanCaption(cleanCaption(caption)) : pythonStrip(caption.toLowerCase());
}

/**
 * @returns the words, numbers and names that cleaning takes out of a text, as its rules find them, and then signs of
 * quotations that are gone; markup is not among them.
 */
export function leftOutByCleaning(text: string): string[] {
  const parts: string[] = [];
  const onLeftOut: OnLeftOut = (part) => parts.push(part);
  const cleaned = cleanCaption(cleanCaption(toWellFormed(text), onLeftOut), onLeftOut);
  const isTold = (signs: string): boolean => parts.some((part) => part.includes(signs));
  return [...parts, ...quotedSigns(text).filter((signs) => !cleaned.includes(signs) && !isTold(signs))];
}

const quotation = /["\u201c\u201e\u00ab]([^"\u201c-\u201e\u00ab\u00bb]*)["\u201c\u201d\u00bb]/gu;

/**
 * What is quoted is to be drawn letter by letter: there the signs of `C++`, `R&D` and `WAIT...` are missed. Each run of one sign,
 * as cleaning would leave it: dashes are alike, and quotation marks and accents alone are no matter.
 */
function quotedSigns(text: string): string[] {
  const readable = unescapeHtml(fixText(text))
    .replace(/\p{Pd}/gu, "-")
    .replaceAll("\\n", " ");
  const quoted = Array.from(readable.matchAll(quotation), ([, said = ""]) =>
    said.replace(/['`\u00b4\u00a8\u2018\u2019]/gu, ""),
  );
  return quoted.flatMap((said) => said.match(/([\p{P}\p{S}])\1*/gu) ?? []);
}

type OnLeftOut = (part: string) => void;

/** One run of the filter. */
export function cleanCaption(text: string, onLeftOut?: OnLeftOut): string {
  let caption = pythonStrip(unquotePlus(text)).toLowerCase();
  caption = extractHtmlText(applyRules(caption, addressRules, onLeftOut));
  caption = applyRules(caption, characterRules, onLeftOut);
  if ((caption.match(/[-_]/gu) ?? []).length > 3) caption = caption.replace(/[-_]/gu, " "); // this-is-my-cute-cat
  caption = unescapeHtml(unescapeHtml(fixText(caption)));
  return pythonStrip(applyRules(caption, phraseRules, onLeftOut));
}

type Rule = readonly [pattern: RegExp, replacement: string];

/** Some patterns start where a run starts: the same matches as without, but a long run is not tried from each of its places. */
function applyRules(caption: string, rules: readonly Rule[], onLeftOut?: OnLeftOut): string {
  return rules.reduce((text, [pattern, replacement]) => {
    if (!onLeftOut || replacement.trim() !== "") return text.replace(pattern, replacement);
    return text.replace(pattern, (part) => {
      tell(part, onLeftOut);
      return replacement;
    });
  }, caption);
}

/** Signs alone are nothing to tell of, nor are escapes (`&quot;`, `\\n`). */
function tell(part: string, onLeftOut: OnLeftOut): void {
  if (/[\p{L}\p{N}]/u.test(part) && !/^[&\\]/.test(part)) onLeftOut(part.trim());
}

const domain = String.raw`[a-zA-Z0-9.\-]+[.](?:com|co|ru|net|org|edu|gov|it)[\w/-]*\b\/?(?!@)`;

const addressRules: readonly Rule[] = [
  [/<person>/gu, "person"],
  [pythonRegExp`\b(?:https?:(?:\/{1,3}|[a-zA-Z0-9%])|${domain})`, ""],
  [pythonRegExp`\b(?:www:(?:\/{1,3}|[a-zA-Z0-9%])|${domain})`, ""],
];

const characterRules: readonly Rule[] = [
  [pythonRegExp`@\w+\b`, ""], // @nickname
  [/[\u31c0-\u9fff]+/gu, ""], // from CJK strokes to ideographs
  [
    /[-\u058a\u05be\u1400\u1806\u2010-\u2015\u2e17\u2e1a\u2e3a\u2e3b\u2e40\u301c\u3030\u30a0\ufe31\ufe32\ufe58\ufe63\uff0d]+/gu,
    "-",
  ],
  [/[`´«»“”¨]/gu, '"'],
  [/[‘’]/gu, "'"],
  [/&quot;?/gu, ""],
  [/&amp/gu, ""],
  [pythonRegExp`\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}`, " "], // IP address
  [pythonRegExp`\d:\d\d\s+$`, ""], // time of an article
  [/\\n/gu, " "], // a backslash and an n
  [pythonRegExp`#\d{1,3}\b`, ""], // numbers of articles; four digits pass
  [pythonRegExp`#\d{5,}\b`, ""],
  [pythonRegExp`\b\d{6,}\b`, ""],
  [pythonRegExp`(?<!\S)\S+\.(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)`, ""],
  [/["']{2,}/gu, '"'],
  [/\.{2,}/gu, " "],
  [/[#®•©™&@·º½¾¿¡§~()[\]{}|\\/*]+/gu, " "],
  [pythonRegExp`(?<!\s)\s+\.\s+`, " "],
];

const phraseRules: readonly Rule[] = [
  [pythonRegExp`\b[a-zA-Z]{1,3}\d{3,15}\b`, ""], // jc6640
  [pythonRegExp`\b[a-zA-Z]+\d+[a-zA-Z]+\b`, ""], // jc6640vc
  [pythonRegExp`\b\d+[a-zA-Z]+\d+\b`, ""], // 6640vc231
  [pythonRegExp`(?:worldwide\s+)?(?:free\s+)?shipping`, ""],
  [pythonRegExp`(?:free\s)?download(?:\sfree)?`, ""],
  [pythonRegExp`\bclick\b\s(?:for|on)\s\w+`, ""],
  [pythonRegExp`\b(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)(?:\simages?)?`, ""],
  [pythonRegExp`\bpage\s+\d+\b`, ""],
  [pythonRegExp`\b\d*[a-zA-Z]+\d+[a-zA-Z]+\d+[a-zA-Z\d]*\b`, " "], // j2d1a2a
  [pythonRegExp`\b\d+\.?\d*[xх×]\d+\.?\d*\b`, ""], // sizes, also with the Cyrillic letter
  [pythonRegExp`\b\s+:\s+`, ": "],
  [pythonRegExp`(\D[,./])\b`, "$1 "],
  [pythonRegExp`\s+`, " "],
  [/^["']([\s\S]+)["']$/u, "$1"],
  [/^['_,\-:;]/u, ""],
  [/['_,\-:+]$/u, ""],
  [pythonRegExp`^\.\S+$`, ""],
];

const lenientUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** urllib.parse.unquote_plus: "+" is a space, "%41" a byte of UTF-8; what is no UTF-8 becomes U+FFFD. */
function unquotePlus(text: string): string {
  return text.replaceAll("+", " ").replace(/[\0-\x7f]+/gu, (ascii) => {
    const bytes = ascii.replace(/%([0-9a-f]{2})/giu, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    return lenientUtf8.decode(Buffer.from(bytes, "latin1"));
  });
}
