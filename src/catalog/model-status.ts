/**
 * @module catalog/model-status
 * A model's status as data: what `models list --json` prints and the library returns.
 */

import { freeDiskBytes } from "../machine/folders.ts";
import { readHardware } from "../machine/hardware.ts";
import type { CascadeStatus, StageStatus, StatusSources } from "./cascade-status.ts";
import type { HubContext } from "./hub-context.ts";
import { readPins } from "./pins.ts";

export interface ModelStatus extends Pick<
  CascadeStatus,
  "present" | "bytes" | "missingBytes" | "exact" | "fitsMemory" | "fitsDisk"
> {
  readonly name: string;
  readonly description: string;
  readonly license: string;
  readonly memoryBytes?: number;
  readonly stages: readonly RepositoryStatus[];
}

/** One of its repositories, or folders. */
export interface RepositoryStatus extends Omit<StageStatus, "source"> {
  readonly repo?: string;
  readonly revision?: string;
}

export async function readStatusSources({ manifest, settings, environment }: HubContext): Promise<StatusSources> {
  return {
    manifest,
    settings,
    pins: readPins(environment.home),
    hardware: readHardware(),
    freeDiskBytes: await freeDiskBytes(settings.cacheFolder),
  };
}

export function modelStatus({ cascade, stages, ...status }: CascadeStatus): ModelStatus {
  const { name, description, license, memoryBytes } = cascade;
  return {
    name,
    description,
    license,
    ...status,
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    stages: stages.map(({ source, ...stage }) => {
      const { kind: _, ...where } = source;
      return { ...where, ...stage };
    }),
  };
}
