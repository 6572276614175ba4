/**
 * @module hub/download-files
 * The chosen files of a repository, some at a time: room checked first, one event stream, the ref written last.
 */

import { sum } from "../math/statistics.ts";
import { withCacheErrors } from "./cache-failure.ts";
import { checkDiskSpace } from "./disk-space.ts";
import { downloadFile } from "./download-file.ts";
import { createCacheFolder, snapshotFolder, sweepRepo, writeRef } from "./layout.ts";
import { listRepo } from "./list-repo.ts";
import { missingBytes } from "./missing-bytes.ts";
import { checkCollisions, checkRepoFile, checkRepoName, isCommit } from "./names.ts";
import type { DownloadedFiles, DownloadFilesOptions, HubSettings, RepoFile, RepoListing } from "./types.ts";

const defaultConcurrency = 4;

/**
 * Lists, chooses, downloads. `refs/<revision>` names the commit only once every chosen file is there, so what was
 * found under that name before can be found until then.
 * @throws {HubError} any reason; the first failure ends the rest, what has arrived is kept.
 */
export async function downloadFiles(
  settings: HubSettings,
  repo: string,
  revision: string,
  select: (file: RepoFile) => boolean,
  options: DownloadFilesOptions = {},
): Promise<DownloadedFiles> {
  const { commit, files } = await listRepo(settings, repo, revision, options.signal);
  const downloaded = await downloadListed(settings, repo, { commit, files: files.filter(select) }, options);
  if (!isCommit(revision)) {
    await withCacheErrors(settings, () => writeRef(settings, repo, revision, commit));
  }
  return downloaded;
}

/**
 * The same for files that are known already: no listing, no ref, and no request at all when every file is there.
 * @throws {HubError} as `downloadFiles`.
 */
export async function downloadListed(
  settings: HubSettings,
  repo: string,
  listing: RepoListing,
  options: DownloadFilesOptions = {},
): Promise<DownloadedFiles> {
  checkRepoName(repo);
  for (const file of listing.files) checkRepoFile(repo, file);
  checkCollisions(repo, listing.files);
  const needed = await withCacheErrors(settings, () => makeRoom(settings, repo, listing));
  const paths = await downloadAll(settings, repo, listing, needed, options);
  return {
    commit: listing.commit,
    folder: snapshotFolder(settings, repo, listing.commit),
    files: listing.files.map((file) => ({ file, path: paths.get(file.path) ?? "" })),
  };
}

/** @returns the bytes to fetch. */
async function makeRoom(settings: HubSettings, repo: string, listing: RepoListing): Promise<number> {
  const needed = missingBytes(settings, repo, listing);
  await sweepRepo(settings, repo);
  if (needed > 0 && !settings.offline) {
    await createCacheFolder(settings);
    await checkDiskSpace(settings, needed);
  }
  return needed;
}

async function downloadAll(
  settings: HubSettings,
  repo: string,
  { commit, files }: RepoListing,
  needed: number,
  { onProgress, concurrency = defaultConcurrency, signal }: DownloadFilesOptions,
): Promise<Map<string, string>> {
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const doneBytes = new Map<string, number>();
  const paths = new Map<string, string>();
  onProgress?.({ kind: "start", files, totalBytes, missingBytes: needed });
  const downloadOne = async (file: RepoFile, ownSignal: AbortSignal): Promise<void> => {
    const { path, bytes: fileBytes } = file;
    const snapshotPath = await downloadFile(settings, repo, commit, file, {
      signal: ownSignal,
      onRetry: (notice) => onProgress?.({ kind: "retry", path, notice }),
      onWait: () => onProgress?.({ kind: "wait", path }),
      onProgress: (done) => {
        doneBytes.set(path, done);
        const totalDoneBytes = sum(doneBytes.values());
        onProgress?.({ kind: "progress", path, doneBytes: done, fileBytes, totalDoneBytes, totalBytes });
      },
    });
    doneBytes.set(path, fileBytes);
    paths.set(path, snapshotPath);
    onProgress?.({ kind: "file", path, snapshotPath });
  };
  await forEachAtOnce(files, concurrency, downloadOne, signal);
  return paths;
}

/** The first failure ends the others, and is thrown once all have ended. */
async function forEachAtOnce<T>(
  items: readonly T[],
  concurrency: number,
  run: (item: T, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const controller = new AbortController();
  const ownSignal = signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
  const queue = items.values(); // shared: each worker takes the next one
  const work = async (): Promise<void> => {
    for (const item of queue) {
      ownSignal.throwIfAborted();
      await run(item, ownSignal);
    }
  };
  const failures: unknown[] = [];
  const onFailure = (error: unknown): void => {
    failures.push(error);
    controller.abort(error);
  };
  await Promise.all(Array.from({ length: concurrency }, () => work().catch(onFailure)));
  if (failures.length > 0) throw failures[0];
}
