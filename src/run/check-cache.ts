/**
 * @module run/check-cache
 * Can weights with LoRAs (`--lora`) or with fewer bits (`--text-encoder-bits`, `--unet-bits`) be made and kept? Told before the first stage, as the last
 * UNet's are made when most of the drawing is done.
 */

import { OutputError } from "../errors.ts";
import { formatBytes } from "../machine/bytes.ts";
import { freeDiskBytes } from "../machine/folders.ts";
import { weightsToMake } from "../networks/network-weights.ts";
import type { PlacedRun } from "../plan/plan.ts";
import { checkNewFolder } from "./outputs.ts";

/** @throws {OutputError} a cache cannot be written to, or its disk has no room for what is to be made. */
export async function checkCaches(run: PlacedRun): Promise<void> {
  const byCache = new Map<string, number>();
  for (const { cache, bytes } of await weightsToMake(run, run.stages)) {
    byCache.set(cache, (byCache.get(cache) ?? 0) + bytes);
  }
  for (const [cache, bytes] of byCache) await checkCache(cache, bytes);
}

async function checkCache(cache: string, bytes: number): Promise<void> {
  try {
    await checkNewFolder(cache);
  } catch (cause) {
    if (!(cause instanceof OutputError)) throw cause;
    const text = `weights that are made here have no place (XDG_CACHE_HOME sets it): ${cause.message}`;
    throw new OutputError(text, { cause });
  }
  const free = await freeDiskBytes(cache);
  if (bytes <= free) return;
  throw new OutputError(
    `weights that are made here take ${formatBytes(bytes)}, and ${cache} has ${formatBytes(free)} free; ` +
      "make room, or set XDG_CACHE_HOME to another disk.",
  );
}
