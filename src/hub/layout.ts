/**
 * @module hub/layout
 * Where things lie in the cache that Python's huggingface_hub, diffusers and this program share:
 *
 *   <cache>/CACHEDIR.TAG
 *   <cache>/.locks/models--org--name/<etag>.lock
 *   <cache>/.locks/models--org--name/<etag>.checked      ours: when the content was hashed
 *   <cache>/blobs/<xx>/<hash>                            content that several repositories share (newer Python), linked to
 *   <cache>/models--org--name/blobs/<etag>               content; etag = sha256 (LFS) or git's blob hash
 *   <cache>/models--org--name/blobs/<etag>.incomplete    what has arrived of it so far
 *   <cache>/models--org--name/refs/<revision>            the commit, 40 hex digits without a newline
 *   <cache>/models--org--name/snapshots/<commit>/<path>  relative link to the blob
 */

import { statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { draftBeside, sweepDrafts } from "../files/draft.ts";
import { makeFolder } from "../files/make-folder.ts";
import { replaceFile } from "../files/replace-file.ts";
import { sweepLocks } from "./lock.ts";
import { checkRepoFile, checkRepoName, checkRevision, isRepoName } from "./names.ts";
import type { HubSettings, RepoFile } from "./types.ts";

/** Every path of one file of one commit. */
export interface FilePlace {
  readonly blob: string;
  readonly incomplete: string;
  readonly lock: string;
  /** What says that the content was hashed: see hub/checked-content. */
  readonly checked: string;
  readonly snapshot: string;
}

// The first line is the format's own: https://bford.info/cachedir/
const cacheTag =
  "Signature: 8a477f597d28d172789f06886806bc55\n# Files from the Hugging Face Hub; they can be fetched again.\n";

/** @throws {HubError} hostile-name. */
export function repoFolder(settings: HubSettings, repo: string): string {
  checkRepoName(repo);
  return join(settings.cacheFolder, repoFolderName(repo));
}

/** @throws {HubError} hostile-name. */
export function locksFolder(settings: HubSettings, repo: string): string {
  checkRepoName(repo);
  return join(settings.cacheFolder, ".locks", repoFolderName(repo));
}

/** @throws {HubError} hostile-name. */
export function snapshotFolder(settings: HubSettings, repo: string, commit: string): string {
  checkRevision(commit);
  return join(repoFolder(settings, repo), "snapshots", commit);
}

/** @throws {HubError} hostile-name: nothing is joined to a path before it was checked. */
export function placeOf(settings: HubSettings, repo: string, commit: string, file: RepoFile): FilePlace {
  checkRepoFile(repo, file);
  const etag = etagOf(file);
  const blob = join(repoFolder(settings, repo), "blobs", etag);
  return {
    blob,
    incomplete: `${blob}.incomplete`,
    lock: join(locksFolder(settings, repo), `${etag}.lock`),
    checked: join(locksFolder(settings, repo), `${etag}.checked`),
    snapshot: join(snapshotFolder(settings, repo, commit), ...file.path.split("/")),
  };
}

/** The name of a file's blob. */
export function etagOf(file: RepoFile): string {
  return file.sha256 ?? file.gitOid ?? "";
}

/** `org/name` of a folder in the cache; undefined: not a model's, or of a name that no repository can have. */
export function repoOfFolder(folder: string): string | undefined {
  const [kind, ...names] = folder.split("--");
  if (kind !== "models" || names.length < 1 || names.length > 2) return undefined;
  return isRepoName(names.join("/")) ? names.join("/") : undefined;
}

/**
 * Makes a repository's folders: also those still empty, because cache scanners take a repository without them for broken.
 */
export async function createRepoFolders(settings: HubSettings, repo: string, commit: string): Promise<void> {
  const folder = repoFolder(settings, repo);
  await createCacheFolder(settings);
  await makeFolder(join(folder, "blobs"));
  await makeFolder(join(folder, "refs"));
  await makeFolder(snapshotFolder(settings, repo, commit));
  await makeFolder(locksFolder(settings, repo));
}

/** Makes the cache folder and marks it, so that backups leave it out. */
export async function createCacheFolder(settings: HubSettings): Promise<void> {
  await makeFolder(settings.cacheFolder);
  await writeFile(join(settings.cacheFolder, "CACHEDIR.TAG"), cacheTag, { flag: "wx" }).catch(ignoreExisting);
}

/** Removes what processes that are gone have left where this program writes. */
export async function sweepRepo(settings: HubSettings, repo: string): Promise<void> {
  await sweepDrafts(join(repoFolder(settings, repo), "blobs"));
  await sweepDrafts(locksFolder(settings, repo));
  await sweepLocks(locksFolder(settings, repo));
}

/** `refs/<revision>` = commit, whole or not at all. */
export async function writeRef(settings: HubSettings, repo: string, revision: string, commit: string): Promise<void> {
  checkRevision(revision);
  const path = join(repoFolder(settings, repo), "refs", ...revision.split("/"));
  const blobs = join(repoFolder(settings, repo), "blobs"); // in refs/ a scanner would read the draft
  await makeFolder(blobs); // a cache without links may have none
  await makeFolder(dirname(path));
  await replaceFile(path, commit, { draft: draftBeside(join(blobs, "ref")) });
}

/** Is there a file of this size? Links are followed. */
export function isWhole(path: string, bytes: number): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  return status?.isFile() === true && status.size === bytes;
}

function repoFolderName(repo: string): string {
  return `models--${repo.replace("/", "--")}`;
}

function ignoreExisting(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
}
