/**
 * @module weights/derived-weights
 * What lies in the cache of weights that were made here (8 bits, 4 bits, LoRAs merged), what of it is right, and away with it. Gigabytes may
 * lie there of networks that are long gone.
 */

import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDraft } from "../files/draft.ts";
import { type Receipt, derivedFault, readReceipt } from "./derived-receipt.ts";

export interface DerivedWeights {
  /** Of its folder in the cache: 32 hexadecimal digits, or a draft's name while it is being written (files/draft). */
  readonly name: string;
  readonly folder: string;
  readonly bytes: number;
  /** When it was last written to. */
  readonly modifiedMs: number;
  /** What it is and what it was made of; undefined: not finished, or from another version. */
  readonly made: { readonly kind: Receipt["kind"]; readonly source: string } | undefined;
}

/** Nothing else in the cache is ours. */
const isOwnName = (name: string): boolean => /^[0-9a-f]{32}$/.test(name) || isDraft(name);

/** @returns all, the largest first; none where there is no cache. System errors as they are. */
export async function listDerivedWeights(cache: string): Promise<DerivedWeights[]> {
  const names = (await readFolder(cache)).filter(isOwnName);
  const all = await Promise.all(
    names.map(async (name): Promise<DerivedWeights> => {
      const folder = join(cache, name);
      const receipt = await readReceipt(folder);
      const made = receipt && { kind: receipt.kind, source: receipt.source };
      return { name, folder, ...(await measure(folder)), made };
    }),
  );
  return all.toSorted((a, b) => b.bytes - a.bytes);
}

/**
 * Removes some of what `listDerivedWeights` gave; it is made again when it is needed.
 * @returns the bytes that are free now. Names that are not ours and not there free nothing.
 */
export async function removeDerivedWeights(cache: string, names: readonly string[]): Promise<{ freedBytes: number }> {
  let freedBytes = 0;
  for (const name of names) {
    if (!isOwnName(name)) continue;
    const folder = join(cache, name);
    const { bytes } = await measure(folder);
    await rm(folder, { recursive: true, force: true });
    freedBytes += bytes;
  }
  return { freedBytes };
}

/** Reads every byte again. @returns for each that is finished whether it is what was written, and why not. */
export async function verifyDerivedWeights(
  cache: string,
): Promise<{ readonly name: string; readonly source: string; readonly ok: boolean; readonly reason?: string }[]> {
  const results = [];
  for (const { name, folder, made } of await listDerivedWeights(cache)) {
    if (made === undefined) continue;
    const reason = await derivedFault(folder, true);
    results.push({ name, source: made.source, ok: reason === undefined, ...(reason !== undefined && { reason }) });
  }
  return results;
}

async function measure(folder: string): Promise<{ bytes: number; modifiedMs: number }> {
  let [bytes, modifiedMs] = [0, 0];
  for (const name of await readFolder(folder)) {
    const found = await lstat(join(folder, name)).catch(() => undefined); // removed meanwhile
    bytes += found?.size ?? 0;
    modifiedMs = Math.max(modifiedMs, found?.mtimeMs ?? 0);
  }
  return { bytes, modifiedMs };
}

async function readFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}
