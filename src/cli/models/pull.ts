/**
 * @module cli/models/pull
 * `if-gen models pull NAME`.
 */

import { optionOf } from "../../catalog/find-model.ts";
import { readHubContext } from "../../catalog/hub-context.ts";
import type { Cascade } from "../../catalog/manifest.ts";
import { type ModelPull, missingBytesOf, planModelPull, pullModelFiles } from "../../catalog/pull-model.ts";
import type { PlannedPull } from "../../catalog/pull.ts";
import { formatBytes } from "../../machine/bytes.ts";
import { freeDiskBytes, lostNote } from "../../machine/folders.ts";
import { createDownloadView } from "../download-view.ts";
import { formatTable } from "../format.ts";
import { listenForInterrupt } from "../interrupt.ts";
import type { PullCommandOptions } from "../models.ts";
import { readTokenFromStdin } from "../read-token.ts";
import { printTable } from "../print-table.ts";
import { printJson, say } from "../terminal.ts";

/**
 * Lists all repositories first: what cannot be had, or has no room, is known before the first byte.
 * @throws {CheckpointError} there is no such model, or it lacks the variant.
 * @throws {HubError} a repository cannot be listed or fetched.
 */
export async function pullModel(name: string, options: PullCommandOptions): Promise<void> {
  const { json, quiet, dryRun } = options;
  const token = options.tokenStdin ? await readTokenFromStdin() : undefined;
  const context = readHubContext(options.modelsFile, token);
  const { environment, settings } = context;
  const interrupt = listenForInterrupt("what has arrived is kept, and the next pull goes on from there");
  const { signal } = interrupt;
  const view = quiet || environment.quiet ? undefined : createDownloadView(process.stderr);
  try {
    const pull = await planModelPull(name, context, { ...options, signal });
    const { pulls, sources, cascade } = pull;
    if (sources.length === 0) {
      if (!quiet) say(`${name} lies in a folder of this machine: there is nothing to fetch.\n`);
      return;
    }
    if (dryRun) {
      if (json) printJson(pulls.map(pullJson));
      else printTable(describePulls(pulls, await freeDiskBytes(settings.cacheFolder)));
      return;
    }
    const lost = lostNote(settings.cacheFolder);
    if (lost !== undefined && !quiet) say(`note: ${lost}\n`);
    const folders = await pullModelFiles(pull, context, view?.update, signal);
    view?.close();
    if (json) printJson(pulls.map((one, i) => ({ ...pullJson(one), folder: folders[i] })));
    if (!quiet) say(describeResult(name, pulls) + describeRevisions(sources, cascade));
  } finally {
    view?.close();
    interrupt.release();
  }
}

function describeResult(name: string, pulls: readonly PlannedPull[]): string {
  const fetched = missingBytesOf(pulls);
  const what = fetched === 0 ? "nothing was missing" : `${formatBytes(fetched)} fetched and checked`;
  return `${name} is here: ${formatBytes(pulls.reduce((total, { totalBytes }) => total + totalBytes, 0))}, ${what}.\n`;
}

/** Another revision than models.json's is not what --model takes. */
function describeRevisions(sources: ModelPull["sources"], cascade: Cascade): string {
  const options = sources.flatMap(([key, { repo, revision }]) => {
    const source = cascade.stages[key];
    const isDefault = source.kind === "hub" && source.revision === revision;
    return isDefault ? [] : [`--${optionOf(key)}-model ${repo}@${revision}`];
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
  const missing = missingBytesOf(pulls);
  return `${parts.join("\n")}\n${formatBytes(missing)} to fetch in all; ${formatBytes(free)} free.\n`;
}

function pullJson({ source, listing, variants, totalBytes, missingBytes }: PlannedPull): Record<string, unknown> {
  const { repo, revision } = source;
  return { repo, revision, ...listing, variants: Object.fromEntries(variants), totalBytes, missingBytes };
}
