/**
 * @module executor/convert-images
 * PNG files -> a file of another kind, or one sheet, in a process of its own: encoders stay out of the parent.
 */

import { OutputError } from "../errors.ts";
import { startChild, wordsOf } from "./child.ts";
import { type ConversionJob, type ConversionMessage, conversionMessage } from "./conversion.ts";
import { errorOf } from "./failure.ts";

/**
 * @param entry the child's; the built one beside this file if absent.
 * @throws {OutputError} the file cannot be written.
 */
export async function convertImages(
  job: ConversionJob,
  signal?: AbortSignal,
  entry = new URL("./convert-worker.js", import.meta.url),
): Promise<void> {
  let message: ConversionMessage | undefined;
  const end = await startChild({
    entry,
    task: job,
    schema: conversionMessage,
    onMessage: (received) => (message = received),
    signal,
  }).ended;
  signal?.throwIfAborted();
  if (message?.type === "result") return;
  if (message) throw errorOf("converting the image", message.code, message.message);
  throw new OutputError(
    `the process that converts ${job.target} ended (${end.signal ?? end.code ?? end.reason?.message}).${wordsOf(end)}`,
  );
}
