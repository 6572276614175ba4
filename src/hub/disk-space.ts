/**
 * @module hub/disk-space
 * Is there room, before the first byte?
 */

import { statfs } from "node:fs/promises";
import { HubError } from "../errors.ts";
import type { HubSettings } from "./types.ts";

/**
 * @param neededBytes still to be written below the cache folder, which exists.
 * @throws {HubError} disk-full: both sizes.
 */
export async function checkDiskSpace(settings: HubSettings, neededBytes: number): Promise<void> {
  if (neededBytes === 0) return;
  const freeBytes = await (settings.freeBytes ?? readFreeBytes)(settings.cacheFolder);
  if (neededBytes <= freeBytes) return;
  const sizes = `needs ${inGigabytes(neededBytes)} but ${settings.cacheFolder} has ${inGigabytes(freeBytes)} free`;
  throw new HubError("disk-full", `The download ${sizes}; make room, or set HF_HUB_CACHE to another disk.`);
}

async function readFreeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** GB as shops and the Hub count them: 10⁹ bytes. */
function inGigabytes(bytes: number): string {
  return bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
