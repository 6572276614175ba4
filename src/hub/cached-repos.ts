/**
 * @module hub/cached-repos
 * The model repositories of the cache: what is there, and away with it.
 */

import type { Dirent } from "node:fs";
import { lstat, readdir, rm } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { HubError } from "../errors.ts";
import { readWords } from "../files/regular-file.ts";
import { withCacheErrors } from "./cache-failure.ts";
import { locksFolder, repoFolder, repoOfFolder } from "./layout.ts";
import { isLocked } from "./lock.ts";
import { isCommit } from "./names.ts";
import { payloadBytes, payloadsOf, removeUnusedPayloads } from "./shared-payloads.ts";
import type { CachedRepo, HubSettings } from "./types.ts";

/**
 * Whoever downloaded them, sorted by name; data sets and spaces are left out. No cache folder: none.
 * @throws {HubError} cache: it cannot be read.
 */
export async function listCachedRepos(settings: HubSettings): Promise<CachedRepo[]> {
  return withCacheErrors(settings, async () => {
    const folders = (await readFolder(settings.cacheFolder)).filter((entry) => entry.isDirectory());
    const repos = folders.map(({ name }) => repoOfFolder(name)).filter((repo) => repo !== undefined);
    return Promise.all(repos.toSorted().map((repo) => readRepo(settings, repo)));
  });
}

/**
 * Removes every revision of a repository, and what it shares with no other. Nothing there: 0 bytes.
 * @throws {HubError} locked: it is being downloaded; cache: it cannot be removed.
 */
export async function removeRepo(settings: HubSettings, repo: string): Promise<{ readonly freedBytes: number }> {
  const folder = repoFolder(settings, repo);
  const locks = locksFolder(settings, repo);
  return withCacheErrors(settings, async () => {
    for (const { name } of await readFolder(locks)) {
      if (name.endsWith(".lock") && (await isLocked(join(locks, name))))
        throw new HubError("locked", `${repo} is being downloaded; wait, or end that first.`);
    }
    const [{ ownBytes }, payloads] = [await measure(folder), await payloadsOf(settings, folder)];
    await rm(folder, { recursive: true, force: true });
    await rm(locks, { recursive: true, force: true });
    return { freedBytes: ownBytes + (await removeUnusedPayloads(settings, payloads)) };
  });
}

async function readRepo(settings: HubSettings, repo: string): Promise<CachedRepo> {
  const folder = repoFolder(settings, repo);
  const snapshots = await readFolder(join(folder, "snapshots"));
  const commits = snapshots
    .map(({ name }) => name)
    .filter(isCommit)
    .toSorted();
  const { bytes, incompleteBytes } = await measure(folder);
  const sharedBytes = await payloadBytes(await payloadsOf(settings, folder));
  const refs = await readRefs(join(folder, "refs"));
  return { repo, folder, bytes: bytes + sharedBytes, incompleteBytes, commits, refs };
}

async function readRefs(folder: string): Promise<Record<string, string>> {
  const files = (await readFolder(folder, true)).filter((entry) => entry.isFile());
  const refs = files.map(({ name, parentPath }): [string, string] => {
    const path = join(parentPath, name);
    return [relative(folder, path).replaceAll(sep, "/"), readWords(path)?.trim() ?? ""];
  });
  return Object.fromEntries(refs.filter(([, commit]) => isCommit(commit)));
}

/** Links weigh nothing; content with two names counts once. `ownBytes`: of content without a name outside the folder. */
async function measure(folder: string): Promise<{ bytes: number; incompleteBytes: number; ownBytes: number }> {
  const seen = new Map<string, number>(); // names found so far
  let [bytes, incompleteBytes, ownBytes] = [0, 0, 0];
  for (const entry of await readFolder(folder, true)) {
    if (!entry.isFile()) continue;
    const status = await lstat(join(entry.parentPath, entry.name)).catch(() => undefined); // renamed by a running download
    const inode = `${status?.dev}:${status?.ino}`;
    if (status === undefined) continue;
    const names = (seen.get(inode) ?? 0) + 1;
    seen.set(inode, names);
    if (names === status.nlink) ownBytes += status.size;
    if (names > 1) continue;
    bytes += status.size;
    if (entry.name.endsWith(".incomplete")) incompleteBytes += status.size;
  }
  return { bytes, incompleteBytes, ownBytes };
}

async function readFolder(folder: string, recursive = false): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true, recursive }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  });
}
