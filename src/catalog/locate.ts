/**
 * @module catalog/locate
 * A stage's repository in the Hub's cache: which snapshot to use, and what it lacks.
 */

import { existsSync } from "node:fs";
import { findCachedCommit } from "../hub/find-cached.ts";
import { snapshotFolder } from "../hub/layout.ts";
import type { HubSettings } from "../hub/types.ts";
import type { Variant } from "../weights/variants.ts";
import { type Inspection, inspectCheckpoint } from "./inspect-checkpoint.ts";
import type { StageSource } from "./manifest.ts";
import { type Pins, pinKey } from "./pins.ts";
import { repositoryLayouts, type RepositoryKey } from "../plan/stages.ts";

export type HubSource = Extract<StageSource, { kind: "hub" }>;

export interface Located extends Inspection {
  readonly commit: string;
  /** `snapshots/<commit>`. */
  readonly folder: string;
}

/**
 * The pinned commit is looked at first, then the one that the revision stood for when it was last downloaded, by
 * whichever program. The first whole one is taken.
 * @returns the best of them; undefined: neither has been downloaded at all.
 */
export async function locateStage(
  settings: HubSettings,
  pins: Pins,
  stage: RepositoryKey,
  { repo, revision }: HubSource,
  variant?: Variant,
  layout = repositoryLayouts[stage],
): Promise<Located | undefined> {
  const commits = new Set([pins.get(pinKey(repo, revision))?.commit, findCachedCommit(settings, repo, revision)]);
  const found: Located[] = [];
  for (const commit of commits) {
    if (commit === undefined) continue;
    const folder = snapshotFolder(settings, repo, commit);
    if (!existsSync(folder)) continue;
    found.push({ commit, folder, ...(await inspectCheckpoint(folder, layout, variant)) });
  }
  return found.find(({ missing }) => missing.length === 0) ?? found.find(({ usable }) => usable) ?? found[0];
}
