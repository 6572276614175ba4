/**
 * @module cli/models/list
 * `if-gen models list`.
 */

import { readCascadeStatus } from "../../catalog/cascade-status.ts";
import { formatTable } from "../format.ts";
import { readHubContext } from "../../catalog/hub-context.ts";
import type { ModelsOptions } from "../models.ts";
import { diskWords, memoryWords, presenceWords, sizeWords } from "./status.ts";
import { readStatusSources, modelStatus } from "../../catalog/model-status.ts";
import { print, printJson } from "../terminal.ts";

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
  print(formatTable([["NAME", "SIZE", "HERE", "MEMORY", "DISK", "WHAT"], ...rows]));
}
