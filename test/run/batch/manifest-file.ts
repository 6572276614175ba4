/** The manifest that a batch has written, as the program reads it: without lines that a kill cut off. */

import { join } from "node:path";
import { type ManifestEntry, readManifest } from "../../../src/run/batch/manifest.ts";

export async function entriesOf(folder: string): Promise<ManifestEntry[]> {
  const entries: ManifestEntry[] = [];
  for await (const entry of readManifest(join(folder, "manifest.jsonl"))) entries.push(entry);
  return entries;
}
