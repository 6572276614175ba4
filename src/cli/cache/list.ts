/**
 * @module cli/cache/list
 * `if-gen cache list`.
 */

import { listAllDerived } from "../../catalog/derived-caches.ts";
import { formatBytes } from "../../machine/bytes.ts";
import { formatTable } from "../format.ts";
import { printTable } from "../print-table.ts";
import { printJson, say } from "../terminal.ts";

export async function listCache({ json }: { json?: boolean }): Promise<void> {
  const entries = await listAllDerived();
  if (json) return printJson(entries);
  if (entries.length === 0) return say("the cache of smaller weights is empty.\n");
  const rows = entries.map(({ name, bytes, made }) => [
    name,
    formatBytes(bytes),
    made ? String(made.kind) : "not finished",
    made?.source ?? "",
  ]);
  printTable(formatTable([["NAME", "SIZE", "KIND", "MADE OF"], ...rows]));
}
