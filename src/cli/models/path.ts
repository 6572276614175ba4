/**
 * @module cli/models/path
 * `if-gen models path NAME`.
 */

import { CheckpointError, HubError } from "../../errors.ts";
import { readCascadeStatus } from "../../catalog/cascade-status.ts";
import { findCascade } from "../../catalog/find-model.ts";
import { readHubContext } from "../../catalog/hub-context.ts";
import type { ModelsOptions } from "../models.ts";
import { readStatusSources } from "../../catalog/model-status.ts";
import { print, printJson } from "../terminal.ts";

/**
 * One line per stage, from the first to the last.
 * @throws {HubError} a stage is not in the cache.
 * @throws {CheckpointError} a stage's folder is not there or not whole.
 */
export async function printPaths(name: string, { modelsFile, json, variant }: ModelsOptions): Promise<void> {
  const context = readHubContext(modelsFile);
  const cascade = findCascade(name, context.manifest);
  const { stages } = await readCascadeStatus(cascade, await readStatusSources(context), variant);
  const absent = stages.find(({ present }) => !present);
  if (absent) {
    const { source, missing } = absent;
    const state = missing.length > 0 ? `lacks ${missing.join(" and ")}` : "is not here";
    if (source.kind === "folder") throw new CheckpointError(`${source.folder} ${state}; check the folder.`);
    throw new HubError("entry-not-found", `${source.repo} ${state}; run if-gen models pull ${name} first.`);
  }
  const folders = Object.fromEntries(stages.map(({ stage, folder }) => [stage, folder]));
  if (json) printJson(folders);
  else print(`${Object.values(folders).join("\n")}\n`);
}
