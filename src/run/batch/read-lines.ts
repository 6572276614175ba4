/**
 * @module run/batch/read-lines
 * A stream of bytes -> its lines, one at a time: a file of a million jobs is never held as a whole.
 */

import { UsageError } from "../../errors.ts";

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

/** A job is a few hundred letters; what has no end of line is no file of jobs. */
const MAX_LINE_LENGTH = 1_000_000;

/**
 * @param name of the source, for errors.
 * @returns lines without their ends (LF or CRLF), also the last one if it has none; a byte order mark is left out.
 * @throws {UsageError} it is not UTF-8, or a line has more than a million letters.
 */
export async function* readLines(bytes: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Line, void> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  let number = 0;
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
    } catch (cause) {
      throw new UsageError(`${name}, after line ${number}: this is not UTF-8; save the file as UTF-8.`, { cause });
    }
  };
  for await (const chunk of bytes) {
    rest += decode(chunk);
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) yield { number: ++number, text: text.replace(/\r$/, "") };
    if (rest.length > MAX_LINE_LENGTH) {
      throw new UsageError(
        `${name}, line ${number + 1} has more than ${MAX_LINE_LENGTH} letters; write one job a line.`,
      );
    }
  }
  rest += decode();
  if (rest !== "") yield { number: ++number, text: rest.replace(/\r$/, "") };
}
