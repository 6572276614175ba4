/**
 * @module executor/image-texts
 * The texts that an image's file carries. A PNG's are read here; readers of other kinds stay in a process of their own.
 */

import { InputImageError } from "../errors.ts";
import { readImageFile } from "../image/image-file.ts";
import { isPng, parsePngText } from "../image/png-text.ts";
import { startChild, wordsOf } from "./child.ts";
import { errorOf } from "./failure.ts";
import { type TextsMessage, textsMessage } from "./texts-message.ts";

/** A block of metadata is read in milliseconds. */
const TIMEOUT_MS = 60_000;

/**
 * @param entry the child's; the built one beside this file if absent.
 * @returns keyword -> text.
 * @throws {InputImageError} the file cannot be read, or is no image.
 */
export async function imageTexts(
  path: string,
  entry = new URL("./texts-worker.js", import.meta.url),
): Promise<ReadonlyMap<string, string>> {
  const file = await readImageFile(path);
  if (isPng(file)) return parsePngText(file);
  let message: TextsMessage | undefined;
  const { ended } = startChild({
    entry,
    task: path,
    schema: textsMessage,
    onMessage: (received) => (message = received),
    timeoutMs: TIMEOUT_MS,
  });
  const end = await ended;
  if (message?.type === "result") return new Map(Object.entries(message.texts));
  if (message) throw errorOf("reading the image", message.code, message.message);
  throw new InputImageError(
    `${path} ended the process that read it (${end.signal ?? end.code ?? end.reason?.message}).${wordsOf(end)}`,
  );
}
