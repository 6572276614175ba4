/**
 * @module cli/terminal
 * What this program writes on its two streams, and the one place where text from elsewhere meets a terminal: controls and
 * whatever else cannot be seen is shown as an escape, and long lines are cut, so that no name or prompt can paint.
 *
 * A stream that is gone must not end a run: a reader that has read enough closes standard output, which ends quietly; a
 * broken standard error costs messages. Standard output that has no room left is an error of its own.
 */

import { OutputError, whyNotWritten } from "../errors.ts";
import { printable } from "../text.ts";
import { wrapLines } from "./wrap.ts";

/** Longer lines are no text for people. */
const MAX_LINE = 4_000;

let stdoutFailure: NodeJS.ErrnoException | undefined;

/** Call once, before anything is written. */
export function guardStreams(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => (stdoutFailure ??= error));
  process.stderr.on("error", () => undefined);
}

/** @returns text whose lines show what cannot be seen as escapes: `\u{1b}`. */
export function visible(text: string): string {
  return text
    .split("\n")
    .map((line) =>
      line
        .split("\t")
        .map((part) => printable(part, MAX_LINE))
        .join("\t"),
    )
    .join("\n");
}

/** Text for people on standard output. */
export function print(text: string): void {
  process.stdout.write(visible(text));
}

/** Text of this program's own, such as a script, with lines of any length, on standard output. */
export function printScript(text: string): void {
  process.stdout.write(text);
}

let answered = false;

/** Has a document been printed? An error is not added to it: a program reads one document. */
export const hasAnswered = (): boolean => answered;

/** A document of JSON on standard output: the values are exact, and signs that a terminal would obey are escaped as JSON has it. */
export function printJson(value: unknown): void {
  answered = true;
  process.stdout.write(`${escaped(JSON.stringify(value, null, 2))}\n`);
}

/** One value a line, for programs that read while the program runs. */
export function printJsonLine(value: unknown): void {
  process.stdout.write(`${escaped(JSON.stringify(value))}\n`);
}

const escaped = (json: string): string =>
  json.replace(
    /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** A message on standard error. */
export function say(text: string): void {
  const { columns, isTTY } = process.stderr;
  process.stderr.write(isTTY && columns > 0 ? wrapLines(visible(text), columns - 1) : visible(text));
}

/** @throws {OutputError} standard output was closed or is full before all of it was taken. */
export async function writeBytes(bytes: Uint8Array): Promise<void> {
  const error = await new Promise<Error | null | undefined>((resolve) => process.stdout.write(bytes, resolve));
  if (error)
    throw new OutputError(`the image cannot be written to standard output: ${reason(error)}.`, { cause: error });
}

/**
 * Waits until standard output has taken everything.
 * @throws {OutputError} it has no room left. A reader that closed it had enough: that is no failure.
 */
export async function flushOutput(): Promise<void> {
  await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
  await new Promise((resolve) => setImmediate(resolve)); // "error" comes after the callback
  if (stdoutFailure && stdoutFailure.code !== "EPIPE") {
    throw new OutputError(`standard output cannot be written to: ${reason(stdoutFailure)}.`, { cause: stdoutFailure });
  }
}

const reason = (error: NodeJS.ErrnoException): string =>
  error.code === "EPIPE" ? "its reader closed it" : whyNotWritten(error);
