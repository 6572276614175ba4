/**
 * @module hub/download-file
 * One file of one commit: there already, or fetched, checked and linked. The link in `snapshots/` is made last, so a
 * file that can be found is right and whole.
 */

import { constants } from "node:fs";
import { copyFile, link, rename, rm, symlink } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { makeFolder } from "../files/make-folder.ts";
import { draftBeside } from "../files/draft.ts";
import { withCacheErrors } from "./cache-failure.ts";
import { isRightContent, rememberChecked } from "./checked-content.ts";
import { checkDiskSpace } from "./disk-space.ts";
import { fetchBlob } from "./fetch-blob.ts";
import { createRepoFolders, isWhole, placeOf, type FilePlace } from "./layout.ts";
import { withLock } from "./lock.ts";
import { missingBytesOf } from "./missing-bytes.ts";
import { isCommit } from "./names.ts";
import { removeContent } from "./remove-content.ts";
import { checkOnline } from "./request.ts";
import { timeoutsOf } from "./retry.ts";
import { HubError } from "../errors.ts";
import { quote } from "../text.ts";
import type { DownloadFileOptions, HubSettings, RepoFile } from "./types.ts";

/**
 * @param commit 40 hex digits.
 * @returns the file's path in `snapshots/<commit>/`.
 * @throws {HubError} any reason but revision-not-found; the signal's reason.
 */
export async function downloadFile(
  settings: HubSettings,
  repo: string,
  commit: string,
  file: RepoFile,
  options: DownloadFileOptions = {},
): Promise<string> {
  if (!isCommit(commit))
    throw new HubError("revision-not-found", `${quote(commit)} is not a commit of ${repo}; list it first.`);
  const place = placeOf(settings, repo, commit, file);
  return withCacheErrors(settings, async () => {
    if (await isSound(settings, place, file, place.snapshot, options)) return place.snapshot;
    if (!(await isSound(settings, place, file, place.blob, options)))
      checkOnline(settings, `${quote(file.path)} of ${repo}`);
    await createRepoFolders(settings, repo, commit);
    const lockOptions = { ...options, watchedPath: place.incomplete, lockMs: timeoutsOf(settings).lockMs };
    await withLock(place.lock, lockOptions, async () => {
      if (!isWhole(place.blob, file.bytes)) await fetchInto(settings, { repo, commit, file, place }, options);
      await linkSnapshot(place, file);
    });
    options.onProgress?.(file.bytes, file.bytes);
    return place.snapshot;
  });
}

/**
 * Is the file at `path` there, whole and right? One of the right size and other bytes is removed, so that it is fetched anew.
 * @throws {HubError} checksum: it is damaged, and must not be fetched now.
 */
async function isSound(
  settings: HubSettings,
  place: FilePlace,
  file: RepoFile,
  path: string,
  options: DownloadFileOptions,
): Promise<boolean> {
  if (!isWhole(path, file.bytes)) return false;
  if (await isRightContent(path, place, file, options)) return true;
  if (settings.offline) {
    const text = `${path} is damaged: its hash is not the one the Hub lists, and HF_HUB_OFFLINE forbids fetching it anew.`;
    throw new HubError("checksum", text);
  }
  await removeContent(settings, place);
  return false;
}

async function fetchInto(
  settings: HubSettings,
  download: { repo: string; commit: string; file: RepoFile; place: FilePlace },
  options: DownloadFileOptions,
): Promise<void> {
  await checkDiskSpace(settings, missingBytesOf(download.place, download.file));
  await fetchBlob(settings, download, options);
  await rememberChecked(download.place.blob, download.place.checked);
}

/** Relative link; where links are not allowed (Windows without developer mode) a hard link, else a copy. */
async function linkSnapshot({ blob, snapshot }: FilePlace, file: RepoFile): Promise<void> {
  if (isWhole(snapshot, file.bytes)) return;
  await makeFolder(dirname(snapshot));
  await rm(snapshot, { force: true }); // a link whose blob is gone, or a file cut short
  await symlink(relative(dirname(snapshot), blob), snapshot, "file")
    .catch(() => link(blob, snapshot))
    .catch(() => copyWhole(blob, snapshot));
}

async function copyWhole(blob: string, snapshot: string): Promise<void> {
  const draft = draftBeside(blob);
  try {
    await copyFile(blob, draft, constants.COPYFILE_EXCL);
    await rename(draft, snapshot);
  } finally {
    await rm(draft, { force: true });
  }
}
