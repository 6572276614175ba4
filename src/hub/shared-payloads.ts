/**
 * @module hub/shared-payloads
 * Content that several repositories of a cache share: newer versions of Python's huggingface_hub keep it once, as
 * `<cache>/blobs/<xx>/<hash>`, and `models--org--name/blobs/<etag>` is a link to it. Beside it `<hash>.refs` lists the links.
 * Source: behaviour of huggingface_hub 2.4.
 */

import { lstat, readdir, readlink, rm } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import type { HubSettings } from "./types.ts";

const payloadPath = /^([0-9a-f]{2})\/\1[0-9a-f]{62}$/;

/** @returns the shared content that the blob at this path is a link to; undefined: it is none. */
export async function payloadOf({ cacheFolder }: HubSettings, blob: string): Promise<string | undefined> {
  const target = await readlink(blob).catch(() => undefined);
  if (target === undefined) return undefined;
  const store = resolve(cacheFolder, "blobs");
  const inside = relative(store, resolve(dirname(blob), target))
    .split(sep)
    .join("/");
  return payloadPath.test(inside) ? join(store, inside) : undefined;
}

/** @returns the shared contents that a repository's blobs link to. */
export async function payloadsOf(settings: HubSettings, repoFolder: string): Promise<Set<string>> {
  const blobs = join(repoFolder, "blobs");
  const names = await readdir(blobs).catch(() => []);
  const payloads = await Promise.all(names.map((name) => payloadOf(settings, join(blobs, name))));
  return new Set(payloads.filter((payload) => payload !== undefined));
}

/** @returns the bytes of these contents that are there. */
export async function payloadBytes(payloads: Iterable<string>): Promise<number> {
  let bytes = 0;
  for (const payload of payloads) bytes += (await lstat(payload).catch(() => undefined))?.size ?? 0;
  return bytes;
}

/**
 * Removes those to which no repository links any more, of whatever kind it is.
 * @returns the bytes that are free now.
 */
export async function removeUnusedPayloads(settings: HubSettings, payloads: ReadonlySet<string>): Promise<number> {
  if (payloads.size === 0) return 0;
  const unused = new Set(payloads);
  for (const folder of await readdir(settings.cacheFolder)) {
    if (!folder.includes("--")) continue;
    for (const used of await payloadsOf(settings, join(settings.cacheFolder, folder))) unused.delete(used);
  }
  const bytes = await payloadBytes(unused);
  for (const payload of unused) await removePayload(payload);
  return bytes;
}

/** Also for the repositories that still link to it: they fetch it anew. */
export async function removePayload(payload: string): Promise<void> {
  await rm(payload, { force: true });
  await rm(`${payload}.refs`, { force: true });
}
