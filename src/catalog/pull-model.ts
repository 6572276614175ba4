/**
 * @module catalog/pull-model
 * All repositories of a model, from the Hub into its cache: listed first, so that what cannot be had, or has no room, is
 * known before the first byte.
 */

import { HubError } from "../errors.ts";
import type { DownloadEvent } from "../hub/types.ts";
import { formatBytes } from "../machine/bytes.ts";
import { freeDiskBytes } from "../machine/folders.ts";
import { type RepositoryKey, type Side, diffusionUntil, stageOfKind } from "../plan/stages.ts";
import type { Variant } from "../weights/variants.ts";
import { findCascade } from "./find-model.ts";
import type { HubContext } from "./hub-context.ts";
import type { HubSource } from "./locate.ts";
import type { Cascade } from "./manifest.ts";
import { type PlannedPull, carryOutPull, planPull } from "./pull.ts";

export interface PullModelOptions {
  readonly variant?: Variant | undefined;
  /** Of all its repositories, asked for anew. @default what is pinned */
  readonly revision?: string | undefined;
  /** The last side that is to be drawn. */
  readonly until: Side;
  readonly signal?: AbortSignal | undefined;
}

export interface ModelPull {
  readonly cascade: Cascade;
  /** Its repositories of the Hub; empty: it lies in a folder of this machine. */
  readonly sources: readonly (readonly [RepositoryKey, HubSource])[];
  readonly pulls: readonly PlannedPull[];
}

/**
 * @throws {CheckpointError} there is no such model, or it lacks the variant.
 * @throws {HubError} a repository cannot be listed.
 */
export async function planModelPull(
  name: string,
  { manifest, environment, settings }: HubContext,
  { variant, revision, until, signal }: PullModelOptions,
): Promise<ModelPull> {
  const cascade = findCascade(name, manifest);
  const needed = new Set([stageOfKind("text"), ...diffusionUntil(until)].map(({ repository }) => repository));
  const sources = [...needed].flatMap((key): [RepositoryKey, HubSource][] => {
    const source = cascade.stages[key];
    return source.kind === "hub" ? [[key, { ...source, revision: revision ?? source.revision }]] : [];
  });
  const options = { ...(variant ? { variant } : {}), renew: revision !== undefined, ...(signal ? { signal } : {}) };
  const pulls: PlannedPull[] = [];
  for (const [key, source] of sources) {
    pulls.push(await planPull(settings, environment.home, key, source, options));
  }
  return { cascade, sources, pulls };
}

/**
 * @returns the repositories' folders, in order.
 * @throws {HubError} disk-full: all of them together have no room; or a file cannot be fetched. What has arrived is kept.
 */
export async function pullModelFiles(
  { pulls }: ModelPull,
  { environment, settings }: HubContext,
  onProgress?: (repo: string, event: DownloadEvent) => void,
  signal?: AbortSignal,
): Promise<string[]> {
  await checkRoom(missingBytesOf(pulls), settings.cacheFolder);
  const folders: string[] = [];
  for (const pull of pulls) {
    const { repo } = pull.source;
    const { folder } = await carryOutPull(settings, environment.home, pull, {
      ...(signal ? { signal } : {}),
      onProgress: (event) => onProgress?.(repo, event),
    });
    folders.push(folder);
  }
  return folders;
}

export const missingBytesOf = (pulls: readonly PlannedPull[]): number =>
  pulls.reduce((total, { missingBytes }) => total + missingBytes, 0);

/** Over all repositories, before the first: a disk that one of three fits on is no use. */
async function checkRoom(missing: number, cacheFolder: string): Promise<void> {
  const free = await freeDiskBytes(cacheFolder);
  if (missing <= free) return;
  throw new HubError(
    "disk-full",
    `${formatBytes(missing)} are to be fetched but ${cacheFolder} has ${formatBytes(free)} free; ` +
      "make room, or set HF_HUB_CACHE to another disk.",
  );
}
