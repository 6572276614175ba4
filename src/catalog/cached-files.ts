/**
 * @module catalog/cached-files
 * What a snapshot in the cache claims to hold, read from its links: each points to a blob that is named after the hash
 * of its content. So files can be checked that another program downloaded, and without asking the Hub.
 */

import { readdir, readlink, stat } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import type { RepoFile } from "../hub/types.ts";

export interface CachedFiles {
  readonly files: readonly RepoFile[];
  /** Copies instead of links, as on disks without links: nothing says what they should be. */
  readonly unnamed: readonly string[];
}

/** @param folder `snapshots/<commit>`. */
export async function readCachedFiles(folder: string): Promise<CachedFiles> {
  const files: RepoFile[] = [];
  const unnamed: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const absolute = join(entry.parentPath, entry.name);
    const path = relative(folder, absolute).replaceAll(sep, "/");
    const blob = entry.isSymbolicLink() ? basename(await readlink(absolute)) : "";
    const hash = hashOf(blob);
    const bytes = await stat(absolute).then(
      ({ size }) => size,
      () => 0, // its blob is gone: the check says so
    );
    if (hash) files.push({ path, bytes, ...hash });
    else unnamed.push(path);
  }
  const byPath = (a: RepoFile, b: RepoFile): number => (a.path < b.path ? -1 : 1);
  return { files: files.sort(byPath), unnamed };
}

function hashOf(blob: string): { sha256: string } | { gitOid: string } | undefined {
  if (/^[0-9a-f]{64}$/.test(blob)) return { sha256: blob };
  return /^[0-9a-f]{40}$/.test(blob) ? { gitOid: blob } : undefined;
}
