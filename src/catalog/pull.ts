/**
 * @module catalog/pull
 * A stage's files, from the Hub into its cache: list, choose, fetch, pin.
 */

import { downloadListed } from "../hub/download-files.ts";
import { findCachedCommit } from "../hub/find-cached.ts";
import { writeRef } from "../hub/layout.ts";
import { listRepo } from "../hub/list-repo.ts";
import { missingBytes } from "../hub/missing-bytes.ts";
import { isCommit } from "../hub/names.ts";
import type { DownloadEvent, DownloadedFiles, HubSettings, RepoListing } from "../hub/types.ts";
import type { Variant } from "../weights/variants.ts";
import type { HubSource } from "./locate.ts";
import { addPin, pinKey, readPins } from "./pins.ts";
import { selectFiles, totalBytes } from "./select-files.ts";
import { type RepositoryLayout, repositoryLayouts, type RepositoryKey } from "../plan/stages.ts";

export interface PullOptions {
  readonly variant?: Variant;
  /** Which of its folders. @default all that its stages read */
  readonly layout?: RepositoryLayout;
  /** Ask the Hub what the revision stands for now, also where it is pinned. */
  readonly renew?: boolean;
  readonly onProgress?: (event: DownloadEvent) => void;
  readonly signal?: AbortSignal;
}

/** What a pull would do. */
export interface PlannedPull {
  readonly source: HubSource;
  /** The commit is a pinned one: the revision may stand for a newer one by now. */
  readonly isPinned: boolean;
  /** The chosen files of one commit. */
  readonly listing: RepoListing;
  /** Of each network, by its folder. */
  readonly variants: ReadonlyMap<string, Variant>;
  readonly totalBytes: number;
  readonly missingBytes: number;
}

/**
 * Asks the Hub for the list of files; fetches nothing.
 * @param home HF_HOME, where the pins lie.
 * @throws {HubError} the repository cannot be listed.
 * @throws {CheckpointError} it is not a repository of this stage, or lacks the variant.
 */
export async function planPull(
  settings: HubSettings,
  home: string,
  stage: RepositoryKey,
  source: HubSource,
  { variant, layout = repositoryLayouts[stage], renew, signal }: PullOptions = {},
): Promise<PlannedPull> {
  const pinned = renew ? undefined : readPins(home).get(pinKey(source.repo, source.revision))?.commit;
  const { commit, files } = await listRepo(settings, source.repo, pinned ?? source.revision, signal);
  const selection = selectFiles(source.repo, files, layout, variant);
  const listing = { commit, files: selection.files };
  return {
    source,
    isPinned: pinned !== undefined,
    listing,
    variants: selection.variants,
    totalBytes: totalBytes(selection.files),
    missingBytes: missingBytes(settings, source.repo, listing),
  };
}

/**
 * Fetches what `planPull` found missing and pins all of it.
 * @throws {HubError} a file cannot be fetched, or is not what the Hub lists. What has arrived is kept.
 */
export async function carryOutPull(
  settings: HubSettings,
  home: string,
  { source: { repo, revision }, isPinned, listing }: PlannedPull,
  { onProgress, signal }: Pick<PullOptions, "onProgress" | "signal"> = {},
): Promise<DownloadedFiles> {
  const downloaded = await downloadListed(settings, repo, listing, {
    ...(onProgress ? { onProgress } : {}),
    ...(signal ? { signal } : {}),
  });
  await addPin(home, repo, revision, listing);
  // the others who use this cache look a revision up by its name; what they have fetched since the pin stays theirs
  const hasNewer = isPinned && findCachedCommit(settings, repo, revision) !== undefined;
  if (!isCommit(revision) && !hasNewer) await writeRef(settings, repo, revision, listing.commit);
  return downloaded;
}

/** Both. */
export async function pullStage(
  settings: HubSettings,
  home: string,
  stage: RepositoryKey,
  source: HubSource,
  options: PullOptions = {},
): Promise<DownloadedFiles> {
  return carryOutPull(settings, home, await planPull(settings, home, stage, source, options), options);
}
