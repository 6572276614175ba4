/**
 * @module hub/verify-files
 * Every byte of downloaded files read again: finds one flipped bit.
 */

import { stat } from "node:fs/promises";
import { withCacheErrors } from "./cache-failure.ts";
import { rememberChecked } from "./checked-content.ts";
import { hasContentOf } from "./content-hash.ts";
import { placeOf } from "./layout.ts";
import { removeContent } from "./remove-content.ts";
import type { HubSettings, RepoFile, VerifiedFile } from "./types.ts";

export interface VerifyOptions {
  /** Bytes read of `path` so far. */
  readonly onProgress?: (path: string, doneBytes: number, fileBytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * @param commit 40 hex digits.
 * @returns one result per file, in order. A bad file is a result, no error.
 * @throws {HubError} hostile-name; cache: a file cannot be read. The signal's reason.
 */
export async function verifyFiles(
  settings: HubSettings,
  repo: string,
  commit: string,
  files: readonly RepoFile[],
  options: VerifyOptions = {},
): Promise<VerifiedFile[]> {
  const verified: VerifiedFile[] = [];
  for (const file of files) {
    const { snapshot, checked } = placeOf(settings, repo, commit, file);
    const reason = await withCacheErrors(settings, () => findFault(snapshot, file, options));
    if (reason === undefined) await rememberChecked(snapshot, checked);
    verified.push({ path: file.path, ok: reason === undefined, ...(reason !== undefined && { reason }) });
  }
  return verified;
}

/**
 * Removes a file and its content, so that the next pull fetches it anew: what to do with one that failed.
 * @throws {HubError} hostile-name; cache.
 */
export async function removeFile(settings: HubSettings, repo: string, commit: string, file: RepoFile): Promise<void> {
  const place = placeOf(settings, repo, commit, file);
  await withCacheErrors(settings, () => removeContent(settings, place));
}

async function findFault(path: string, file: RepoFile, options: VerifyOptions): Promise<string | undefined> {
  const bytes = await stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
  if (bytes === undefined) return "missing";
  if (bytes !== file.bytes) return `${bytes} bytes instead of ${file.bytes}`;
  const onBytes = (doneBytes: number): void => options.onProgress?.(file.path, doneBytes, file.bytes);
  const isRight = await hasContentOf(path, file, { signal: options.signal, onBytes });
  return isRight ? undefined : `its ${file.sha256 === undefined ? "git hash" : "sha256"} is not the one the Hub lists`;
}
