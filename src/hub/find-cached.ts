/**
 * @module hub/find-cached
 * What lies in the cache already, whoever put it there. No request is ever made here.
 */

import { statSync } from "node:fs";
import { join } from "node:path";
import { readWords } from "../files/regular-file.ts";
import { repoFolder, snapshotFolder } from "./layout.ts";
import { checkRepoPath, checkRevision, isCommit } from "./names.ts";
import type { HubSettings } from "./types.ts";

/**
 * @param revision a commit, or a branch or tag that was downloaded by that name before.
 * @returns the file's path in `snapshots/`; undefined: it is not there.
 * @throws {HubError} hostile-name.
 */
export function findCached(settings: HubSettings, repo: string, revision: string, path: string): string | undefined {
  checkRepoPath(repo, path);
  const commit = findCachedCommit(settings, repo, revision);
  if (commit === undefined) return undefined;
  const found = join(snapshotFolder(settings, repo, commit), ...path.split("/"));
  return isFile(found) ? found : undefined;
}

/**
 * @returns the commit `revision` stood for when it was last downloaded; undefined: never.
 * @throws {HubError} hostile-name.
 */
export function findCachedCommit(settings: HubSettings, repo: string, revision: string): string | undefined {
  checkRevision(revision);
  if (isCommit(revision)) return revision;
  const text = readWords(join(repoFolder(settings, repo), "refs", ...revision.split("/")))?.trim() ?? "";
  return isCommit(text) ? text : undefined;
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false; // absent, or a link whose blob is gone
  }
}
