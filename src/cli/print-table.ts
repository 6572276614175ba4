/**
 * @module cli/print-table
 * Tables and lists on standard output. A terminal breaks a long line in the middle of a word; here it is broken between words,
 * and what follows stands below its own column. Files and pipes get each line whole.
 */

import stringWidth from "string-width";
import { usableColumns } from "./line.ts";
import { print } from "./terminal.ts";

/** Columns that a cell has to have left to be continued below itself. */
const LEAST_ROOM = 18;

export function printTable(text: string): void {
  print(process.stdout.isTTY ? wrapLines(text, usableColumns(process.stdout)) : text);
}

/** @returns the text in lines of at most `columns` columns, but for words that are longer, such as paths. */
export function wrapLines(text: string, columns: number): string {
  return text
    .split("\n")
    .map((line) => (stringWidth(line) <= columns ? line : wrapLine(line, columns)))
    .join("\n");
}

function wrapLine(line: string, columns: number): string {
  const indent = " ".repeat(hangOf(line, columns));
  const lines: string[] = [];
  let current = "";
  for (const [, gap = "", word = ""] of line.matchAll(/(\s*)(\S+)/g)) {
    if (current === "" || stringWidth(current + gap + word) <= columns) current += gap + word;
    else {
      lines.push(current);
      current = indent + word;
    }
  }
  return [...lines, current].join("\n");
}

/** @returns where the last column begins or, if that leaves no room, the second one, or a small indent. */
function hangOf(line: string, columns: number): number {
  const starts = [...line.matchAll(/\S {2,}(?=\S)/g)].map(({ 0: gap, index }) =>
    stringWidth(line.slice(0, index) + gap),
  );
  const [second = 0, last = 0] = [starts[0], starts.at(-1)];
  return [last, second].find((start) => start > 0 && columns - start >= LEAST_ROOM) ?? 4;
}
