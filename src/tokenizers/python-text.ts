/**
 * @module tokenizers/python-text
 * Python's idea of text where JavaScript's differs. str.isspace() and \s take U+001C-U+001F and U+0085, but not U+FEFF;
 * \w is letters, numbers of any kind and "_" (no marks); \d is any decimal digit. All are Unicode-aware.
 */

const space = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const word = "\\p{L}\\p{N}_";

const outsideSet: Readonly<Record<string, string>> = {
  s: `[${space}]`,
  S: `[^${space}]`,
  w: `[${word}]`,
  W: `[^${word}]`,
  d: "\\p{Nd}",
  D: "\\P{Nd}",
  b: `(?:(?<=[${word}])(?![${word}])|(?<![${word}])(?=[${word}]))`,
};
const insideSet: Readonly<Record<string, string>> = { s: space, w: word, d: "\\p{Nd}" };

/**
 * A regular expression whose \s \w \d \b mean what they mean in Python's re: pythonRegExp`\b\d+`.
 * Patterns are JavaScript's otherwise (flag u); \S \W \D do not work inside [].
 */
export function pythonRegExp(pattern: TemplateStringsArray, ...inserts: readonly string[]): RegExp {
  return compilePython(String.raw(pattern, ...inserts), "gu");
}

/** As pythonRegExp, but it matches only at lastIndex, as Python's pattern.match(text, position) does. */
export function pythonMatchAt(pattern: TemplateStringsArray, ...inserts: readonly string[]): RegExp {
  return compilePython(String.raw(pattern, ...inserts), "yu");
}

function compilePython(source: string, flags: string): RegExp {
  let inSet = false;
  const rewritten = source.replace(/\\(.)|[[\]]/gsu, (text, escaped: string | undefined) => {
    if (escaped !== undefined) return (inSet ? insideSet : outsideSet)[escaped] ?? text;
    inSet = text === "[";
    return text;
  });
  return new RegExp(rewritten, flags);
}

const leading = pythonRegExp`^\s+`;
const trailing = pythonRegExp`(?<!\s)\s+$`;

/** str.strip(). */
export function pythonStrip(text: string): string {
  return text.replace(leading, "").replace(trailing, "");
}

/** str.split(): at runs of white space, no empty parts. */
export function pythonSplit(text: string): string[] {
  return text.split(pythonRegExp`\s+`).filter((part) => part !== "");
}

/** `text` with U+FFFD for each lone surrogate, which no UTF-8 can hold. */
export function toWellFormed(text: string): string {
  return text.replace(/\p{Cs}/gu, "\ufffd");
}
