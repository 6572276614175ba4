/**
 * @module executor/inspect-image
 * Looks at a start image and its mask in a process of its own, before anything is planned: decoders of foreign files stay
 * out of the parent.
 */

import { InputImageError } from "../errors.ts";
import { startChild, wordsOf } from "./child.ts";
import { errorOf } from "./failure.ts";
import { type Inspection, type InspectionJob, type InspectionMessage, inspectionMessage } from "./inspection.ts";

/**
 * @param entry the child's; the built one beside this file if absent.
 * @throws {InputImageError} the image or the mask cannot be read or used.
 * @throws {UsageError} a shape of the mask lies outside the image.
 */
export async function inspectImage(
  job: InspectionJob,
  signal?: AbortSignal,
  entry = new URL("./inspect-worker.js", import.meta.url),
): Promise<Inspection> {
  let message: InspectionMessage | undefined;
  const end = await startChild({
    entry,
    task: job,
    schema: inspectionMessage,
    onMessage: (received) => (message = received),
    signal,
  }).ended;
  signal?.throwIfAborted();
  if (message?.type === "result") {
    const { type: _, ...inspection } = message;
    return inspection;
  }
  if (message) throw errorOf("reading the image", message.code, message.message);
  throw new InputImageError(
    `${job.image} ended the process that read it (${end.signal ?? end.code ?? end.reason?.message}).${wordsOf(end)}`,
  );
}
