/**
 * @module hub/verify-files
 * Every byte of downloaded files read again: finds one flipped bit.
 */

import { rm, stat } from "node:fs/promises";
import { withCacheErrors } from "./cache-failure.ts";
import { hasContentOf } from "./content-hash.ts";
import { placeOf } from "./layout.ts";
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
    const { snapshot } = placeOf(settings, repo, commit, file);
    const reason = await withCacheErrors(settings, () => findFault(snapshot, file, options));
    verified.push({ path: file.path, ok: reason === undefined, ...(reason !== undefined && { reason }) });
  }
  return verified;
}

/**
 * Removes a file and its content, so that the next pull fetches it anew: what to do with one that failed.
 * @throws {HubError} hostile-name; cache.
 */
export async function removeFile(settings: HubSettings, repo: string, commit: string, file: RepoFile): Promise<void> {
  const { snapshot, blob } = placeOf(settings, repo, commit, file);
  await withCacheErrors(settings, async () => {
    await rm(snapshot, { force: true });
    await rm(blob, { force: true });
  });
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
