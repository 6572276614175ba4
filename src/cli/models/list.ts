/**
 * @module cli/models/list
 * `if-gen models list`.
 */

import { readCascadeStatus } from "../../catalog/cascade-status.ts";
import type { Cascade } from "../../catalog/manifest.ts";
import { formatTable } from "../format.ts";
import { type HubContext, readHubContext } from "../../catalog/hub-context.ts";
import { repositoryKeys } from "../../plan/stages.ts";
import type { ModelsOptions } from "../models.ts";
import { diskWords, memoryWords, presenceWords, sizeWords } from "./status.ts";
import { readStatusSources, modelStatus } from "../../catalog/model-status.ts";
import { printTable } from "../print-table.ts";
import { printJson, say } from "../terminal.ts";

export async function listModels({ modelsFile, json, variant }: ModelsOptions): Promise<void> {
  const context = readHubContext(modelsFile);
  const sources = await readStatusSources(context);
  const cascades = [...context.manifest.cascades.values()];
  const statuses = await Promise.all(cascades.map((cascade) => readCascadeStatus(cascade, sources, variant)));
  if (json) {
    printJson(statuses.map(modelStatus));
    return;
  }
  const rows = statuses.map((status) => [
    status.cascade.name,
    sizeWords(status.bytes, status.exact),
    presenceWords(status),
    memoryWords(status, sources),
    diskWords(status, sources),
    status.cascade.description,
  ]);
  printTable(formatTable([["NAME", "SIZE", "HERE", "MEMORY", "DISK", "WHAT"], ...rows]));
  say(licenceNote(cascades, context));
}

/** Nothing of a gated repository can be fetched before: said here, where a model is chosen. */
function licenceNote(cascades: readonly Cascade[], { manifest, settings }: HubContext): string {
  const pagesOf = ({ stages }: Cascade): string[] =>
    repositoryKeys.flatMap((key) => {
      const source = stages[key];
      return source.kind === "hub" ? (manifest.repositories.get(source.repo)?.acceptAt ?? []) : [];
    });
  const gated = cascades.filter((cascade) => pagesOf(cascade).length > 0).map(({ name }) => name);
  const pages = [...new Set(cascades.flatMap(pagesOf))].map((page) => `${settings.endpoint}/${page}`);
  if (gated.length === 0) return "";
  return `note: before ${gated.join(", ")} can be fetched, accept their licence (${pages.join(", ")}) and run if-gen login.\n`;
}
