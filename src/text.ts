/**
 * @module text
 * Foreign text on its way into a sentence: names of tensors, keys of configs, files of a repository, a server's words.
 * It is shown as what it is, so that it can neither paint on a terminal (escape sequences, writing from right to left) nor
 * fill it.
 */

/** Controls, formats (among them what turns the direction of writing), line ends, lone surrogates, unassigned code points. */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/u;

const defaultLength = 80;

/**
 * @param maxLength code points that are kept; "…" stands for the rest. Default 80.
 * @returns `text` with what cannot be seen as escapes, `\u{1b}`; without quotation marks.
 */
export function printable(text: string, maxLength = defaultLength): string {
  let shown = "";
  let count = 0;
  for (const sign of text) {
    if (count++ === maxLength) return `${shown}…`;
    shown += invisible.test(sign) ? `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}` : sign;
  }
  return shown;
}

/** {@link printable} between quotation marks: `"unet/config.json"`. */
export function quote(text: string, maxLength = defaultLength): string {
  return `"${printable(text, maxLength)}"`;
}

/** The first few {@link quote}d, and how many more there are: `"b2b", "10x20" and 3 more`. */
export function quoteSome(texts: readonly string[], most = 6): string {
  const rest = texts.length - most;
  const named = texts.slice(0, most).map((text) => quote(text));
  return named.join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

/** What {@link printable} leaves unchanged: a name that needs no escapes. */
export function isPrintable(text: string): boolean {
  return !invisible.test(text);
}
