/**
 * @module run/batch/manifest-entries
 * A job that ended -> its line of the manifest.
 */

import { join } from "node:path";
import type { IfGenError } from "../../errors.ts";
import { hashFile } from "../../files/hash-file.ts";
import type { DrawnJob } from "../draw.ts";
import type { BadJob, BatchJob } from "./batch-jobs.ts";
import type { ManifestEntry } from "./manifest.ts";

const now = (): string => new Date().toISOString();

export function failedEntry(
  job: BatchJob | BadJob,
  { code, message }: Pick<IfGenError, "code" | "message">,
): ManifestEntry {
  const { index, line } = job;
  const requestFields = "request" in job ? { key: job.key, request: job.request } : {};
  return { index, line, status: "failed", ...requestFields, files: [], error: { code, message }, at: now() };
}

export async function drawnEntry(
  job: BatchJob,
  { plan, notes, safety }: DrawnJob,
  seconds: Record<string, number>,
  folder: string,
): Promise<ManifestEntry> {
  return {
    ...(await drawnJob(job, folder)),
    stages: plan.stages,
    provider: plan.provider.name,
    seconds,
    ...(notes.length > 0 ? { notes: [...notes] } : {}),
    ...(safety ? { safety } : {}),
    at: now(),
  };
}

/** Of a job whose images an earlier process has left: what is known of them is the job and the files. */
export async function foundEntry(job: BatchJob, folder: string, note: string): Promise<ManifestEntry> {
  return { ...(await drawnJob(job, folder)), notes: [note], at: now() };
}

async function drawnJob({ index, line, key, request, files }: BatchJob, folder: string) {
  const hashed = files.map(async (path) => ({ path, sha256: await hashFile(join(folder, path)) }));
  return { index, line, status: "drawn", key, files: await Promise.all(hashed), request } as const;
}
