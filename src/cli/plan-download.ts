/**
 * @module cli/plan-download
 * `if-gen plan` of a model that is not here: outlines of its repositories in a temporary folder, and what fetching it would take.
 */

import { mkdir, rm } from "node:fs/promises";
import type { OutlineStage } from "../catalog/find-model.ts";
import { readHubContext } from "../catalog/hub-context.ts";
import { outlinePull } from "../catalog/outline.ts";
import { type PlannedPull, planPull } from "../catalog/pull.ts";
import { draftFolderIn } from "../files/draft.ts";
import { formatBytes } from "../machine/bytes.ts";
import { freeDiskBytes, temporaryFolder } from "../machine/folders.ts";
import { formatDuration, formatTable } from "./format.ts";

/** What fetching a model would take. */
export interface DownloadPlan {
  readonly repositories: readonly {
    readonly repo: string;
    readonly commit: string;
    readonly totalBytes: number;
    readonly missingBytes: number;
  }[];
  readonly missingBytes: number;
  /** Fetched to make this plan: configs, tokenizers and headers. */
  readonly fetchedBytes: number;
  /** Bytes a second, measured while they were fetched; undefined: they were too few. */
  readonly rate?: number;
  /** At that rate. */
  readonly seconds?: number;
  readonly cacheFolder: string;
  readonly freeDiskBytes: number;
  readonly fitsDisk: boolean;
}

export interface Outlines {
  readonly outline: OutlineStage;
  /** undefined: everything is here. */
  readonly download: () => Promise<DownloadPlan | undefined>;
  /** @returns the text with names of repositories in place of the temporary folders that stand for them. */
  readonly named: (text: string) => string;
}

/** @throws {HubError} a repository cannot be listed or read. */
export async function withOutlines<T>(
  modelsFile: string | undefined,
  signal: AbortSignal,
  use: (outlines: Outlines) => Promise<T>,
): Promise<T> {
  const { environment, settings } = readHubContext(modelsFile);
  const cacheFolder = draftFolderIn(temporaryFolder());
  const made = new Map<string, { pull: PlannedPull; folder: string; fetchedBytes: number; rate: number | undefined }>();
  const outlines: Outlines = {
    async outline(stage, source, variant, layout) {
      const key = JSON.stringify([stage, source, variant, Object.keys(layout)]);
      const before = made.get(key);
      if (before) return before.folder;
      const pull = await planPull(settings, environment.home, stage, source, {
        signal,
        layout,
        ...(variant === undefined ? {} : { variant }),
      });
      await mkdir(cacheFolder, { recursive: true, mode: 0o700 });
      const outline = await outlinePull(settings, pull, cacheFolder, signal);
      made.set(key, { pull, ...outline });
      return outline.folder;
    },
    download: async () => (made.size === 0 ? undefined : downloadPlan([...made.values()], settings.cacheFolder)),
    named: (text) =>
      [...made.values()].reduce((named, { pull, folder }) => named.replaceAll(folder, pull.source.repo), text),
  };
  try {
    return await use(outlines);
  } finally {
    await rm(cacheFolder, { recursive: true, force: true });
  }
}

async function downloadPlan(
  made: readonly { pull: PlannedPull; fetchedBytes: number; rate: number | undefined }[],
  cacheFolder: string,
): Promise<DownloadPlan> {
  const repositories = made.map(({ pull: { source, listing, totalBytes, missingBytes } }) => {
    return { repo: source.repo, commit: listing.commit, totalBytes, missingBytes };
  });
  const missingBytes = repositories.reduce((sum, one) => sum + one.missingBytes, 0);
  const free = await freeDiskBytes(cacheFolder);
  const rate = Math.max(0, ...made.map((one) => one.rate ?? 0)); // slow starts are no slow lines
  return {
    repositories,
    missingBytes,
    fetchedBytes: made.reduce((sum, one) => sum + one.fetchedBytes, 0),
    ...(rate > 0 ? { rate: Math.round(rate), seconds: Math.round(missingBytes / rate) } : {}),
    cacheFolder,
    freeDiskBytes: free,
    fitsDisk: missingBytes <= free,
  };
}

/** @returns lines for people. */
export function describeDownload(plan: DownloadPlan): string {
  const { repositories, missingBytes, fetchedBytes, rate, seconds, freeDiskBytes: free, cacheFolder, fitsDisk } = plan;
  const rows = repositories.map((one) => [
    `  ${one.repo}`,
    `${formatBytes(one.missingBytes)} of ${formatBytes(one.totalBytes)}`,
  ]);
  const time =
    rate === undefined || seconds === undefined
      ? "how long it takes was not measured"
      : `${formatDuration(seconds)} at ${formatBytes(rate)}/s, the rate at which the first of it came`;
  return [
    `to fetch ${formatBytes(missingBytes)}: ${time}`,
    formatTable(rows).trimEnd(),
    `disk     ${fitsDisk ? "fits" : "too full"}: ${formatBytes(free)} free in ${cacheFolder}`,
    `         ${formatBytes(fetchedBytes)} of configs and headers were read for this plan; nothing was kept`,
    "",
  ].join("\n");
}
