/**
 * @module cli/wrap
 * Lines for a terminal, which would break them in the middle of a word: they are broken between words, and what follows
 * stands below its own column.
 */

/** Columns that a cell has to have left to be continued below itself. */
const LEAST_ROOM = 18;

export type WidthOf = (text: string) => number;

/**
 * @param widthOf columns of a text; by default a sign takes one.
 * @param indent of what follows where a line has no columns of its own.
 * @returns the text in lines of at most `columns` columns, but for words that are longer, such as paths.
 */
export function wrapLines(text: string, columns: number, indent = 0, widthOf: WidthOf = signsIn): string {
  return text
    .split("\n")
    .map((line) => (widthOf(line) <= columns ? line : wrapLine(line, columns, indent, widthOf)))
    .join("\n");
}

const signsIn: WidthOf = (text) => Array.from(text).length;

function wrapLine(line: string, columns: number, indent: number, widthOf: WidthOf): string {
  const hang = " ".repeat(hangOf(line, columns, widthOf) ?? indent);
  const lines: string[] = [];
  let current = "";
  for (const [, gap = "", word = ""] of line.matchAll(/(\s*)(\S+)/g)) {
    const isTooLong = widthOf(hang + word) > columns; // a path: it begins where it stands, and the terminal breaks it
    if (current === "" || isTooLong || widthOf(current + gap + word) <= columns) current += gap + word;
    else {
      lines.push(current);
      current = hang + word;
    }
  }
  return [...lines, current].join("\n");
}

/** @returns where the last column begins or, if that leaves no room, the first one after the beginning. */
function hangOf(line: string, columns: number, widthOf: WidthOf): number | undefined {
  const starts = [...line.matchAll(/ {2,}(?=\S)/g)].map(({ 0: gap, index }) => widthOf(line.slice(0, index) + gap));
  return [starts.at(-1), starts[0]].find((start) => start !== undefined && columns - start >= LEAST_ROOM);
}
