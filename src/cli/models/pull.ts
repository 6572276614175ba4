/**
 * @module cli/models/pull
 * `if-gen models pull NAME`.
 */

import { HubError } from "../../errors.ts";
import type { HubSource } from "../../catalog/locate.ts";
import type { Cascade } from "../../catalog/manifest.ts";
import { findCascade } from "../../catalog/find-model.ts";
import { type PlannedPull, carryOutPull, planPull } from "../../catalog/pull.ts";
import { createDownloadView } from "../download-view.ts";
import { formatBytes, formatJson, formatTable } from "../format.ts";
import { readHubContext } from "../../catalog/hub-context.ts";
import { listenForInterrupt } from "../interrupt.ts";
import type { PullCommandOptions } from "../models.ts";
import { readTokenFromStdin } from "../read-token.ts";
import type { RepositoryKey } from "../../plan/stages.ts";
import { freeDiskBytes } from "../../machine/folders.ts";

/**
 * Lists all repositories first: what cannot be had, or has no room, is known before the first byte.
 * @throws {CheckpointError} there is no such model, or it lacks the variant.
 * @throws {HubError} a repository cannot be listed or fetched.
 */
export async function pullModel(name: string, options: PullCommandOptions): Promise<void> {
  const token = options.tokenStdin ? await readTokenFromStdin() : undefined;
  const { manifest, environment, settings } = readHubContext(options.modelsFile, token);
  const cascade = findCascade(name, manifest);
  const stages = hubStages(cascade, options);
  if (stages.length === 0) {
    if (!options.quiet) process.stderr.write(`${name} lies in a folder of this machine: there is nothing to fetch.\n`);
    return;
  }
  const interrupt = listenForInterrupt("what has arrived is kept, and the next pull goes on from there");
  const { signal } = interrupt;
  const view = options.quiet || environment.quiet ? undefined : createDownloadView(process.stderr);
  try {
    const { variant, revision } = options;
    const pulls: PlannedPull[] = [];
    for (const [stage, source] of stages) {
      const planOptions = { ...(variant ? { variant } : {}), renew: revision !== undefined, signal };
      pulls.push(await planPull(settings, environment.home, stage, source, planOptions));
    }
    if (options.dryRun) {
      process.stdout.write(
        options.json
          ? formatJson(pulls.map(pullJson))
          : describePulls(pulls, await freeDiskBytes(settings.cacheFolder)),
      );
      return;
    }
    await checkRoom(pulls, settings.cacheFolder);
    const folders: string[] = [];
    for (const pull of pulls) {
      const { repo } = pull.source;
      const onProgress = view && { onProgress: (event: Parameters<typeof view.update>[1]) => view.update(repo, event) };
      folders.push((await carryOutPull(settings, environment.home, pull, { signal, ...onProgress })).folder);
    }
    view?.close();
    if (options.json)
      process.stdout.write(formatJson(pulls.map((pull, i) => ({ ...pullJson(pull), folder: folders[i] }))));
    if (!options.quiet) process.stderr.write(describeResult(name, pulls) + describeRevisions(stages, cascade));
  } finally {
    view?.close();
    interrupt.release();
  }
}

const sides: Readonly<Record<RepositoryKey, number>> = { stage1: 64, stage2: 256, stage3: 1024 };

function hubStages({ stages }: Cascade, { until, revision }: PullCommandOptions): [RepositoryKey, HubSource][] {
  return (Object.entries(stages) as [RepositoryKey, Cascade["stages"][RepositoryKey]][]).flatMap(([stage, source]) =>
    source.kind === "hub" && sides[stage] <= until
      ? [[stage, { ...source, revision: revision ?? source.revision }] as [RepositoryKey, HubSource]]
      : [],
  );
}

/** Over all repositories, before the first: a disk that one of three fits on is no use. */
async function checkRoom(pulls: readonly PlannedPull[], cacheFolder: string): Promise<void> {
  const missing = sumOf(pulls, "missingBytes");
  const free = await freeDiskBytes(cacheFolder);
  if (missing <= free) return;
  throw new HubError(
    "disk-full",
    `${formatBytes(missing)} are to be fetched but ${cacheFolder} has ${formatBytes(free)} free; ` +
      "make room, or set HF_HUB_CACHE to another disk.",
  );
}

function describeResult(name: string, pulls: readonly PlannedPull[]): string {
  const fetched = sumOf(pulls, "missingBytes");
  const what = fetched === 0 ? "nothing was missing" : `${formatBytes(fetched)} fetched and checked`;
  return `${name} is here: ${formatBytes(sumOf(pulls, "totalBytes"))}, ${what}.\n`;
}

/** Another revision than models.json's is not what --model takes. */
function describeRevisions(stages: readonly [RepositoryKey, HubSource][], cascade: Cascade): string {
  const options = stages.flatMap(([stage, { repo, revision }]) => {
    const usual = cascade.stages[stage];
    const isUsual = usual.kind === "hub" && usual.revision === revision;
    return isUsual ? [] : [`--${stage.replace("stage", "stage-")}-model ${repo}@${revision}`];
  });
  return options.length === 0 ? "" : `to draw with it: --model ${cascade.name} ${options.join(" ")}\n`;
}

function describePulls(pulls: readonly PlannedPull[], free: number): string {
  const parts = pulls.map((pull) => {
    const { source, listing, missingBytes } = pull;
    const rows = listing.files.map(({ path, bytes }) => [`  ${path}`, formatBytes(bytes)]);
    const state = missingBytes === 0 ? "all here" : `${formatBytes(missingBytes)} to fetch`;
    return `${source.repo}@${listing.commit}: ${formatBytes(pull.totalBytes)}, ${state}\n${formatTable(rows)}`;
  });
  const missing = sumOf(pulls, "missingBytes");
  return `${parts.join("\n")}\n${formatBytes(missing)} to fetch in all; ${formatBytes(free)} free.\n`;
}

function pullJson({ source, listing, variants, totalBytes, missingBytes }: PlannedPull): Record<string, unknown> {
  const { repo, revision } = source;
  return { repo, revision, ...listing, variants: Object.fromEntries(variants), totalBytes, missingBytes };
}

function sumOf(pulls: readonly PlannedPull[], key: "totalBytes" | "missingBytes"): number {
  return pulls.reduce((total, pull) => total + pull[key], 0);
}
