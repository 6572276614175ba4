/**
 * @module tokenizers/mojibake-signs
 * Does a text look like UTF-8 that was read in a single-byte encoding? Characters that such mistakes produce fall into
 * classes; certain neighbours hardly ever occur otherwise (an accented letter before a currency sign).
 * Source: the heuristic of ftfy 6.3 (Robyn Speer; ftfy/badness.py), class for class and rule for rule.
 */

import { pythonRegExp } from "./python-text.ts";

const classes = {
  common: "\\xa0\\xad\\xb7\\xb4\\u2013\\u2014\\u2015…’",
  c1: "\\x80-\\x9f",
  bad: "¦¤¨¬¯¸ƒˆˇ˘˛˜†‡‰⌐◊\\ufffdªº",
  law: "¶§",
  currency: "¢£¥₧€",
  start: "¡«¿©΄΅‘‚“„•‹\\uf8ff",
  end: "®»˝”›™",
  numeric: "²³¹±¼½¾×µ÷⁄∂∆∏∑√∞∩∫≈≠≡≤≥№",
  /** Letters that emoticons are drawn with. */
  kaomoji: "Ò-ÖÙ-Üò-öø-üŐŌŪŲ°",
  upper: "À-ÑØÜÝĂĀĄĆČĎĐĘĚĒĖĞĢİĪĶĹĽŁĻŃŇŅŒŘŚŞŠŢŤŮŰŸŹŻŽҐ",
  lower: "ßà-ñăąāćčďđęěēėğģįīķĺľłļœŕśşšťüźżžґﬁﬂ",
  upperCommon: "ÞΑ-ΩΆΈΉΊΌΎΏΪΫЁ-Я",
  lowerCommon: "α-ωάέήίΰа-џ",
  box: "│┌┐┘├┤┬┼═-╬▀▄█▌▐░▒▓",
} as const;

type ClassName = keyof typeof classes;

/** Suspicious sequences: each step is a set of classes, or a pattern of its own. */
const sequences: readonly (readonly (readonly ClassName[] | RegExp)[])[] = [
  [["c1"]],
  [["bad", "lower", "upper", "box", "start", "end", "currency", "numeric", "law"], ["bad"]],
  [["bad"], ["lower", "upper", "box", "start", "end", "currency", "numeric", "law"]],
  [/[a-zA-Z]/u, ["lowerCommon", "upperCommon"], ["bad"]],
  [["lower", "lowerCommon", "box", "end", "currency", "numeric"], ["upper"]],
  [["box", "end", "currency", "numeric"], ["lower"]],
  [["lower", "box", "end"], ["currency"]],
  [pythonRegExp`\s`, ["upper"], ["currency"]],
  [
    ["upper", "box"],
    ["numeric", "law"],
  ],
  [["lower", "upper", "box", "currency", "end"], ["start"], ["numeric"]],
  [["lower", "upper", "currency", "numeric", "box", "law"], ["end"], ["start"]],
  [["currency", "numeric", "box"], ["start"]],
  [/[a-z]/u, ["upper"], ["start", "currency"]],
  [["box"], ["kaomoji"]],
  [["lower", "upper", "currency", "numeric", "start", "end", "law"], ["box"]],
  [["box"], ["end"]],
  [["lower", "upper"], ["start", "end"], pythonRegExp`\w`],
  [/[Œœ][^A-Za-z]/u],
  [["upper"], /°/u],
];

const arabic = `[ØÙ][${classes.common}${classes.currency}${classes.bad}${classes.numeric}${classes.start}ŸŠ®°µ»]`;
const doubled = `${classes.c1}${classes.bad}${classes.start}${classes.end}${classes.currency}°`;

/** What one encoding makes of common characters, beyond the rules above. */
const encodings: readonly string[] = [
  // windows-1252: two-byte sequences, Arabic words, South Asian scripts, "à" and "á", a lost no-break space
  `[ÂÃÎÐ][€œŠš¢£Ÿž\\xa0\\xad®©°·»${classes.start}${classes.end}–—´]`,
  "×[²³]",
  arabic + arabic,
  "à[²µ¹¼½¾]",
  "Ã[\\xa0¡]",
  "[a-z][\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]?[ÃÂ] ",
  "^[ÃÂ] ",
  `[a-z.,?!${classes.end}]Â[ ${classes.start}${classes.end}]`,
  // MacRoman
  "√[±∂†≠®™´≤≥¥µø]",
  "≈[°¢]",
  "‚Ä[ìîïòôúùû†°¢π]",
  "‚[âó][àä°ê]",
  // windows-1251: U+20xx, Latin-1 or Cyrillic, and Latin-1 on top of windows-1252
  "вЂ",
  `[ВГРС][${doubled}µ][ВГРС]`,
  "ГўВЂВ.[A-Za-z ]",
  // windows-1253
  "β€[™\\xa0Ά\\xad®°]",
  `[ΒΓΞΟ][${doubled}][ΒΓΞΟ]`,
  // windows-1257
  "ā€",
];

const sign = new RegExp(
  [
    ...sequences.map((steps) =>
      steps
        .map((step) => (step instanceof RegExp ? step.source : `[${step.map((name) => classes[name]).join("")}]`))
        .join(""),
    ),
    ...encodings,
  ].join("|"),
  "u",
);

export function looksLikeMojibake(text: string): boolean {
  return sign.test(text);
}
