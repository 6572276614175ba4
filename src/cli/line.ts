/**
 * @module cli/line
 * One line of parts that is redrawn on a terminal, made to fit: bars shrink first, then whole parts go, the least important
 * first; what matters most, such as the time that is left, stays. Widths are a terminal's: a Chinese sign takes two columns.
 */

import cliTruncate from "cli-truncate";
import stringWidth from "string-width";
import { printable } from "../text.ts";
import { wrapLines } from "./wrap.ts";

/** The stream's part that is used here. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Text, or a bar by what is done of it, 0 to 1. */
export interface Part {
  readonly text?: string;
  readonly bar?: number;
  /** How long it is kept when room gets short: higher is longer. */
  readonly rank: number;
}

const SEPARATOR = "  ";
const MIN_BAR = 5;
const MAX_BAR = 24;
/** Of a terminal that does not know its width: 0 or nothing. */
const DEFAULT_COLUMNS = 80;

/** @returns the columns that a line may take: one fewer than there are, since some terminals wrap a full line. */
export const usableColumns = ({ columns }: Terminal): number => (columns || DEFAULT_COLUMNS) - 1;

/** @returns the parts in their order, in `columns` columns at most. */
export function fitLine(parts: readonly Part[], columns: number): string {
  const kept = parts.filter(({ text, bar }) => bar !== undefined || (text !== undefined && text !== ""));
  while (kept.length > 1 && leastWidth(kept) > columns) {
    const lowest = kept.reduce((least, part) => (part.rank < least.rank ? part : least));
    kept.splice(kept.indexOf(lowest), 1);
  }
  const bars = kept.filter(({ bar }) => bar !== undefined).length;
  const spare = columns - leastWidth(kept);
  const barWidth = Math.min(MAX_BAR, MIN_BAR + Math.floor(spare / Math.max(1, bars)));
  const line = kept.map(({ text = "", bar }) => (bar === undefined ? text : drawBar(bar, barWidth))).join(SEPARATOR);
  return cliTruncate(line, columns);
}

function leastWidth(parts: readonly Part[]): number {
  const widths = parts.map(({ text = "", bar }) => (bar === undefined ? stringWidth(text) : MIN_BAR));
  return widths.reduce((sum, width) => sum + width, SEPARATOR.length * (parts.length - 1));
}

/** `██████░░░░` */
function drawBar(done: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, done)) * width);
  return "█".repeat(filled) + "░".repeat(width - filled);
}

/** The line of a terminal that is written again and again, with other lines above it. */
export interface LiveLine {
  /** In place of what the line was; nothing if this is no terminal. */
  readonly draw: (parts: readonly Part[]) => void;
  /** What is painted above it, in place of what was painted there before, unless something was printed since. */
  readonly paint: (shown: { readonly text: string; readonly rows: number }) => void;
  /** A line above it, which stays. */
  readonly print: (text: string) => void;
  /** Ends the line: what stands there stays. */
  readonly end: () => void;
  /** Removes what stands there. */
  readonly clear: () => void;
}

const ERASE = "\r\u001b[K";
const [SAVE, RESTORE] = ["\u001b7", "\u001b8"]; // the cursor's place
const up = (rows: number): string => `\u001b[${rows}A`;
const down = (rows: number): string => `\u001b[${rows}B`;

export function createLiveLine(terminal: Terminal): LiveLine {
  let open = false;
  let painted = 0; // rows above the line
  const leave = (last: string): void => {
    if (open) terminal.write(last);
    open = false;
    painted = 0;
  };
  return {
    draw(parts) {
      if (!terminal.isTTY) return;
      terminal.write(`${ERASE}${fitLine(parts, usableColumns(terminal))}`);
      open = true;
    },
    paint({ text, rows }) {
      if (!terminal.isTTY) return;
      const room = painted === rows ? "" : "\n".repeat(rows);
      terminal.write(`${ERASE}${room}${up(rows)}${SAVE}${text}${RESTORE}${down(rows)}`);
      painted = rows;
      open = true;
    },
    print(text) {
      leave(ERASE);
      terminal.write(`${terminal.isTTY ? wrapLines(text, usableColumns(terminal), 0, stringWidth) : text}\n`);
    },
    end: () => leave("\n"),
    clear: () => leave(ERASE),
  };
}

/** @returns text for a {@link Part}: nothing in it paints. */
export const partText = (text: string): string => printable(text, 200);
