/**
 * @module cli/models/status
 * A cascade's status, in words.
 */

import type { CascadeStatus, StatusSources } from "../../catalog/cascade-status.ts";
import { usableMemoryBytes } from "../../machine/hardware.ts";
import { formatBytes } from "../../machine/bytes.ts";

/** `~` where models.json's numbers are among them. */
export function sizeWords(bytes: number | undefined, exact: boolean): string {
  if (bytes === undefined) return "unknown";
  return exact ? formatBytes(bytes) : `~${formatBytes(bytes).replace(/\.0+ /, " ")}`;
}

export function presenceWords({ stages, present }: CascadeStatus): string {
  if (present) return "yes";
  const presentStages = stages.filter((stage) => stage.present).length;
  const begun = stages.some(({ folder, missing }) => folder !== undefined && missing.length > 0);
  return presentStages > 0 || begun ? `${presentStages} of ${stages.length} stages` : "no";
}

export function memoryWords({ cascade, fitsMemory }: CascadeStatus, { hardware }: StatusSources): string {
  if (cascade.memoryBytes === undefined) return "unknown";
  const needed = sizeWords(cascade.memoryBytes, false);
  return fitsMemory
    ? `fits (${needed})`
    : `too small: needs ${needed}, has ${formatBytes(usableMemoryBytes(hardware))}`;
}

export function diskWords(
  { cascade, missingBytes, fitsDisk, exact }: CascadeStatus,
  { freeDiskBytes: free }: StatusSources,
): string {
  if (missingBytes === undefined) return "unknown";
  if (cascade.stages.stage1.kind === "folder") return "-";
  if (missingBytes === 0) return "nothing to fetch";
  return fitsDisk ? "fits" : `too full: needs ${sizeWords(missingBytes, exact)}, has ${formatBytes(free)} free`;
}
