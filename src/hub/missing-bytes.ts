/**
 * @module hub/missing-bytes
 * What a download would still fetch.
 */

import { statSync } from "node:fs";
import { etagOf, isWhole, placeOf, type FilePlace } from "./layout.ts";
import type { HubSettings, RepoFile, RepoListing } from "./types.ts";

/**
 * @returns bytes that `downloadListed` would fetch: nothing for what is there, the rest of what was begun.
 * @throws {HubError} hostile-name.
 */
export function missingBytes(settings: HubSettings, repo: string, { commit, files }: RepoListing): number {
  const unique = new Map(files.map((file) => [etagOf(file), file])); // two names may share one content
  return [...unique.values()].reduce(
    (sum, file) => sum + missingBytesOf(placeOf(settings, repo, commit, file), file),
    0,
  );
}

export function missingBytesOf(place: FilePlace, file: RepoFile): number {
  if (isWhole(place.snapshot, file.bytes) || isWhole(place.blob, file.bytes)) return 0;
  const begunBytes = statSync(place.incomplete, { throwIfNoEntry: false })?.size ?? 0;
  return begunBytes > file.bytes ? file.bytes : file.bytes - begunBytes;
}
