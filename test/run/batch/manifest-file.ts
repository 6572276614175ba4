/** The manifest that a batch has written. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ManifestEntry } from "../../../src/run/batch/manifest.ts";

export const entriesOf = (folder: string): ManifestEntry[] =>
  readFileSync(join(folder, "manifest.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as ManifestEntry);
