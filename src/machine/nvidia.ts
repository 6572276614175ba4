/**
 * @module machine/nvidia
 * NVIDIA's GPUs: which are here, and which of them CUDA shows this program.
 */

import { existsSync, readdirSync } from "node:fs";
import type { Environment } from "../hub/environment.ts";

export interface NvidiaGpu {
  readonly name: string;
  /** `GPU-8932f937-...`; empty where nvidia-smi does not say it. */
  readonly uuid: string;
  readonly memoryBytes: number;
  readonly freeBytes: number;
  readonly driver: string;
}

/** Has the kernel a device of NVIDIA's driver? A look at a folder: nothing is loaded. */
export function hasNvidiaDevice(folder = "/dev"): boolean {
  return countNvidiaDevices(folder) > 0;
}

export function countNvidiaDevices(folder = "/dev"): number {
  return existsSync(folder) ? readdirSync(folder).filter((name) => /^nvidia\d+$/.test(name)).length : 0;
}

/** `NVIDIA H200, 143771, 143120, 580.95.05, GPU-8932f937-...` per line; memory in MiB. */
export function parseNvidiaSmi(text: string): NvidiaGpu[] {
  return text
    .split("\n")
    .map((line) => line.split(",").map((part) => part.trim()))
    .filter((parts) => parts.length >= 4)
    .map(([name = "", has = "", free = "", driver = "", uuid = ""]) => ({
      name,
      uuid,
      memoryBytes: Number(has) * 2 ** 20,
      freeBytes: Number(free) * 2 ** 20,
      driver,
    }));
}

/** @returns CUDA_VISIBLE_DEVICES; empty hides all GPUs, undefined none. */
export function cudaRestriction(env: Environment = process.env): string | undefined {
  return env["CUDA_VISIBLE_DEVICES"];
}

/**
 * @param count how many GPUs there are.
 * @param uuids theirs, where they are known.
 * @returns the places of the GPUs that CUDA shows, in CUDA's order; undefined: it cannot be told (a part of a GPU is named).
 * Source: CUDA programming guide, CUDA_VISIBLE_DEVICES: what follows an invalid entry is not shown, empty shows none.
 */
export function visiblePlaces(
  count: number,
  uuids: readonly string[] = [],
  env: Environment = process.env,
): number[] | undefined {
  const listed = cudaRestriction(env);
  if (listed === undefined) return Array.from({ length: count }, (_, place) => place);
  if (/MIG-/.test(listed)) return undefined;
  const places: number[] = [];
  for (const entry of listed.split(",").map((part) => part.trim())) {
    const place = /^\d+$/.test(entry) ? Number(entry) : entry.startsWith("GPU-") ? placeOf(entry, uuids) : -1;
    if (place === undefined) return undefined;
    if (place < 0 || place >= count || places.includes(place)) break;
    places.push(place);
  }
  return places;
}

/** The beginning of a UUID is enough if no other GPU's begins so. */
function placeOf(entry: string, uuids: readonly string[]): number | undefined {
  if (uuids.length === 0 || uuids.includes("")) return undefined;
  const matching = uuids.flatMap((uuid, place) => (uuid.startsWith(entry) ? [place] : []));
  return matching.length === 1 ? matching[0] : -1;
}

/** @returns the same for GPUs as nvidia-smi tells them; all of them where it cannot be told. */
export function visibleGpus(gpus: readonly NvidiaGpu[], env: Environment = process.env): NvidiaGpu[] {
  const uuids = gpus.map(({ uuid }) => uuid);
  const places = visiblePlaces(gpus.length, uuids, env);
  return places === undefined ? [...gpus] : places.flatMap((place) => gpus[place] ?? []);
}

/** @returns what `nvidia-smi -i` takes for one of CUDA's GPUs. */
export function smiName(deviceId: number, env: Environment = process.env): string {
  return env["CUDA_VISIBLE_DEVICES"]?.split(",")[deviceId]?.trim() || String(deviceId);
}

/** The oldest driver for each CUDA, by its first number. Source: CUDA's release notes, table of minimum driver versions. */
const leastDrivers: Readonly<Record<number, number>> = { 12: 525, 13: 580 };

/** @returns the first number of the driver that CUDA needs, where the one that is here is older. */
export function driverTooOld(driver: string, cudaMajor: number | undefined): number | undefined {
  const least = leastDrivers[cudaMajor ?? 0];
  const major = Number.parseInt(driver, 10);
  return least !== undefined && major < least ? least : undefined;
}
