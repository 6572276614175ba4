/**
 * @module catalog/derived-caches
 * Weights that were made smaller here, by `--text-encoder-bits` and `--unet-bits`, or changed by `--lora`: all caches of them together.
 */

import { join } from "node:path";
import { cacheFolder } from "../machine/folders.ts";
import {
  type DerivedWeights,
  listDerivedWeights,
  removeDerivedWeights,
  verifyDerivedWeights,
} from "../weights/derived-weights.ts";

/** By what they are made for: the folder's name in the program's cache. */
const names = ["text-encoder", "unet", "lora"] as const;

export const textEncoderCache = (): string => join(cacheFolder(), names[0]);
export const unetCache = (): string => join(cacheFolder(), names[1]);
export const loraCache = (): string => join(cacheFolder(), names[2]);
const caches = (): string[] => names.map((name) => join(cacheFolder(), name));

/** @returns all, the largest first. */
export async function listAllDerived(): Promise<DerivedWeights[]> {
  const lists = await Promise.all(caches().map(listDerivedWeights));
  return lists.flat().sort((a, b) => b.bytes - a.bytes);
}

/** @returns the bytes that are free now. */
export async function removeDerived(chosen: readonly DerivedWeights[]): Promise<number> {
  let freed = 0;
  for (const cache of caches()) {
    const ofCache = chosen.filter(({ folder, name }) => folder === join(cache, name)).map(({ name }) => name);
    freed += (await removeDerivedWeights(cache, ofCache)).freedBytes;
  }
  return freed;
}

/** Reads every byte of what was made of files in `folder`, or of all. */
export async function verifyDerived(folder?: string): ReturnType<typeof verifyDerivedWeights> {
  const results = (await Promise.all(caches().map((cache) => verifyDerivedWeights(cache)))).flat();
  return results.filter(({ source }) => folder === undefined || source.startsWith(folder));
}
