/**
 * @module machine/loader
 * Where Linux's loader finds a shared library by its name: the folders of LD_LIBRARY_PATH, its cache, the system's folders.
 * Nothing is loaded. Source: ld.so(8); the cache's layout as glibc's elf/cache.c writes it (version 1.1).
 */

import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../hub/environment.ts";

/** @returns the library's path; undefined: the loader does not find it. */
export type FindLibrary = (name: string) => string | undefined;

const cacheFile = "/etc/ld.so.cache";
const systemFolders = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

/** A cache has some ten kilobytes. */
const MAX_CACHE_BYTES = 2 ** 26;
const cacheMagic = "glibc-ld.so.cache1.1";
/** The flags of a 64-bit x86 library for glibc. */
const X86_64_LIBC6 = 0x0303;

export interface LoaderPlaces {
  readonly env: Environment;
  readonly cacheFile?: string;
  readonly systemFolders?: readonly string[];
}

/** @returns a search as the loader would make it for a process with this environment. */
export function systemLoader(places: LoaderPlaces): FindLibrary {
  const cached = readCache(places.cacheFile ?? cacheFile);
  const before = libraryPath(places.env);
  const after = places.systemFolders ?? systemFolders;
  return (name) => inFolders(before, name) ?? existing(cached.get(name)) ?? inFolders(after, name);
}

/** The folders of LD_LIBRARY_PATH. */
export function libraryPath(env: Environment): string[] {
  return (env["LD_LIBRARY_PATH"] ?? "").split(/[:;]/).filter(Boolean);
}

/** @returns the first of the folders' files of this name. */
export function inFolders(folders: readonly string[], name: string): string | undefined {
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

const existing = (path: string | undefined): string | undefined =>
  path !== undefined && existsSync(path) ? path : undefined;

/** Name -> path. Empty where there is no such cache, or one of another kind. */
function readCache(file: string): ReadonlyMap<string, string> {
  try {
    return statSync(file).size > MAX_CACHE_BYTES ? new Map() : parseCache(readFileSync(file));
  } catch {
    return new Map();
  }
}

/** Header of 48 bytes, entries of 24: flags, and where the name and the path begin, counted from the header. */
function parseCache(bytes: Buffer): ReadonlyMap<string, string> {
  const start = bytes.indexOf(cacheMagic, 0, "latin1"); // an older cache may stand before it
  const cache = bytes.subarray(Math.max(0, start));
  const count = start < 0 || cache.length < 48 ? 0 : cache.readUInt32LE(20);
  const paths = new Map<string, string>();
  for (let at = 48; at < 48 + 24 * count && at + 24 <= cache.length; at += 24) {
    if (cache.readInt32LE(at) !== X86_64_LIBC6) continue;
    const name = textAt(cache, cache.readUInt32LE(at + 4));
    const path = textAt(cache, cache.readUInt32LE(at + 8));
    if (!paths.has(name)) paths.set(name, path); // the loader prefers the first
  }
  return paths;
}

function textAt(bytes: Buffer, start: number): string {
  const end = bytes.indexOf(0, start);
  return end < 0 ? "" : bytes.toString("utf8", start, end);
}
