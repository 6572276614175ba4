/**
 * @module cli/models/status
 * A cascade's status, as words and as JSON.
 */

import { type CascadeStatus, type StatusSources, type StageStatus } from "../../catalog/cascade-status.ts";
import { readPins } from "../../catalog/pins.ts";
import type { HubContext } from "../../catalog/hub-context.ts";
import { freeDiskBytes } from "../../machine/folders.ts";
import { readHardware, usableMemoryBytes } from "../../machine/hardware.ts";
import { formatBytes } from "../../machine/bytes.ts";

export async function readStatusSources({ manifest, settings, environment }: HubContext): Promise<StatusSources> {
  return {
    manifest,
    settings,
    pins: readPins(environment.home),
    hardware: readHardware(),
    freeDiskBytes: await freeDiskBytes(settings.cacheFolder),
  };
}

/** `~` where models.json's numbers are among them. */
export function sizeWords(bytes: number | undefined, exact: boolean): string {
  if (bytes === undefined) return "unknown";
  return exact ? formatBytes(bytes) : `~${formatBytes(bytes).replace(/\.0+ /, " ")}`;
}

export function presenceWords({ stages, present }: CascadeStatus): string {
  if (present) return "yes";
  const there = stages.filter((stage) => stage.present).length;
  const begun = stages.some(({ folder, missing }) => folder !== undefined && missing.length > 0);
  return there > 0 || begun ? `${there} of ${stages.length} stages` : "no";
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

/** @returns what --json prints of a cascade. */
export function statusJson(status: CascadeStatus): Record<string, unknown> {
  const { cascade, stages, present, bytes, missingBytes, exact, fitsMemory, fitsDisk } = status;
  return {
    name: cascade.name,
    description: cascade.description,
    license: cascade.license,
    present,
    bytes,
    missingBytes,
    exact,
    memoryBytes: cascade.memoryBytes,
    fitsMemory,
    fitsDisk,
    stages: stages.map(stageJson),
  };
}

function stageJson({ stage, source, present, missing, folder, commit, bytes, exact }: StageStatus): unknown {
  const { kind: _, ...where } = source;
  return { stage, ...where, present, missing, folder, commit, bytes, exact };
}
