/**
 * @module run/queue/queued-job
 * A job of a batch as it waits in a queue. Whoever can write to the queue can have images drawn: what is read from it is
 * checked like any other foreign data.
 */

import { createHash } from "node:crypto";
import { isAbsolute, resolve } from "node:path";
import { existsSync } from "node:fs";
import { z } from "zod";
import { type ErrorCode, IfGenError, exitCodes } from "../../errors.ts";
import { absoluteFilesOf } from "../../plan/absolute-files.ts";
import { lowMemorySchema } from "../../plan/plan.ts";
import { type Request, requestSchema } from "../../plan/request.ts";
import { stageNames } from "../../plan/stages.ts";
import type { BatchJob } from "../batch/batch-jobs.ts";
import { isOutputPath, requestKey } from "../batch/output-names.ts";
import { isStoreAddress } from "../store/store-address.ts";

const queuedJob = z.strictObject({
  index: z.int().positive(),
  line: z.int().positive(),
  /** The output folder, as the machine calls it that handed the job in, or the address of a store. */
  folder: z.string().refine((folder) => isAbsolute(folder) || isStoreAddress(folder)),
  /** Below it. */
  files: z.array(z.string().refine(isOutputPath)).min(1).max(64),
  request: requestSchema,
  lowMemory: z.partialRecord(z.enum(stageNames), lowMemorySchema).exactOptional(),
  overwrite: z.boolean(),
});
export type QueuedJob = z.infer<typeof queuedJob>;

/** @returns undefined: it is no job of this version. */
export const parseQueuedJob = (data: unknown): QueuedJob | undefined => queuedJob.safeParse(data).data;

interface QueuedBatch {
  /** The output folder, absolute, or the address of a store. */
  readonly folder: string;
  readonly overwrite: boolean;
  /** Is it a name of models.json? */
  readonly isModelName: (name: string) => boolean;
}

export function toQueuedJob(
  { index, line, request, files, lowMemory }: BatchJob,
  { folder, overwrite, isModelName }: QueuedBatch,
): QueuedJob {
  return {
    index,
    line,
    folder,
    files: [...files],
    request: withWholePaths(request, isModelName),
    ...(lowMemory ? { lowMemory } : {}),
    overwrite,
  };
}

/** @returns the same for the same request with the same result: handed in twice, it is one job. */
export function jobId({ folder, files, request }: QueuedJob): string {
  const hash = createHash("sha256").update(JSON.stringify([folder, files, requestKey(request)]));
  return `job-${hash.digest("hex").slice(0, 40)}`;
}

export function toBatchJob({ index, line, files, request, lowMemory }: QueuedJob): BatchJob {
  return { index, line, files, request, lowMemory, key: requestKey(request), isDrawn: false, isTaken: false };
}

/** Workers run in other folders, and find shared ones under the same names. */
function withWholePaths(request: Request, isModelName: QueuedBatch["isModelName"]): Request {
  const { model, textEncoderModel, stageModels, loras } = request;
  const models = Object.entries(stageModels).map(([stage, name]) => [stage, wholePath(name)] as const);
  return {
    ...request,
    model: isModelName(model) ? model : wholePath(model),
    stageModels: Object.fromEntries(models),
    ...(textEncoderModel === undefined ? {} : { textEncoderModel: wholePath(textEncoderModel) }),
    ...absoluteFilesOf(request),
    ...(loras ? { loras: loras.map((lora) => ({ ...lora, file: wholePath(lora.file) })) } : {}),
  };
}

/** A repository's name, or the folder that there is. */
const wholePath = (name: string): string => (existsSync(name) ? resolve(name) : name);

/** A failure as a queue keeps it: one text. */
export const failureText = ({ code, message }: IfGenError): string => `${message} [${code}]`;

/** @returns what {@link failureText} was made of; a reason of the queue's own as a stage's failure. */
export function failureOf(text: string): IfGenError {
  const [, message, code] = /^(.*) \[([A-Z_]+)\]$/s.exec(text) ?? [];
  if (message !== undefined && code !== undefined && code in exitCodes)
    return new IfGenError(code as ErrorCode, message);
  const isLost = text.includes("stalled");
  return new IfGenError("STAGE", isLost ? "its workers ended again and again while they drew it." : text);
}
