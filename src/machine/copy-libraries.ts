/**
 * @module machine/copy-libraries
 * Copies libraries by their names out of what a user has: a folder, pip's wheel, NuGet's package, npm's archive. Only the
 * names that are asked for are ever written, so that no path of an archive matters.
 */

import { createReadStream, createWriteStream } from "node:fs";
import { copyFile, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { UsageError } from "../errors.ts";
import { extractTar } from "./extract-tar.ts";
import { extractZip } from "./extract-zip.ts";

/** A provider has some 300 MB; an archive that unpacks to more is none. */
const MAX_LIBRARY_BYTES = 2 ** 31;
const MAX_FOLDERS = 10_000;

/** Takes a file's bytes under a name. */
export type Place = (name: string, bytes: Readable) => Promise<void>;

/**
 * @param names of the files, without folders; the first one of each name is taken.
 * @returns those that were found and are now in `target`.
 * @throws {UsageError} the source is missing, or is neither a folder nor an archive of a kind that is read.
 */
export async function copyLibraries(source: string, names: readonly string[], target: string): Promise<string[]> {
  const found: string[] = [];
  const isWanted = (path: string): boolean => names.includes(basename(path)) && !found.includes(basename(path));
  const place: Place = async (path, bytes) => {
    found.push(basename(path));
    await pipeline(bytes, limited, createWriteStream(join(target, basename(path)), { flags: "wx", flush: true }));
  };
  const kind = await kindOf(source);
  if (kind === "folder") {
    for (const path of sameFolder(await filesBelow(source, isWanted), names)) {
      found.push(basename(path));
      await copyFile(path, join(target, basename(path)));
    }
  } else if (kind === "zip") {
    await extractZip(source, isWanted, place);
  } else {
    const packed = createReadStream(source);
    await extractTar(kind === "tar" ? packed : packed.pipe(createGunzip()), isWanted, place).catch((error: unknown) => {
      throw new UsageError(`${source} cannot be unpacked: ${(error as Error).message}.`);
    });
  }
  return found;
}

async function* limited(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.length;
    if (total > MAX_LIBRARY_BYTES) throw new UsageError("a library in the archive is larger than 2 GiB; it is none.");
    yield chunk;
  }
}

async function kindOf(source: string): Promise<"folder" | "zip" | "tar" | "tar.gz"> {
  const stats = await stat(source).catch(() => undefined);
  if (!stats) throw new UsageError(`--from ${source}: there is no such file or folder.`);
  if (stats.isDirectory()) return "folder";
  const [, end = ""] = /\.(tgz|tar\.gz|tar|whl|zip|nupkg)$/i.exec(source) ?? [];
  if (!stats.isFile() || end === "") {
    throw new UsageError(`--from ${source}: give a folder, .tgz, .tar.gz, .tar, .whl, .zip or .nupkg.`);
  }
  return /tgz|gz/i.test(end) ? "tar.gz" : end.toLowerCase() === "tar" ? "tar" : "zip";
}

/** Regular files, nearest folders first; links are not followed. */
async function filesBelow(root: string, isWanted: (path: string) => boolean): Promise<string[]> {
  const files: string[] = [];
  const folders = [root];
  for (let at = 0; at < folders.length && at < MAX_FOLDERS; at++) {
    const folder = folders[at] ?? root;
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile() && isWanted(path)) files.push(path);
    }
  }
  return files;
}

/** Libraries of one version lie together: the first folder that has them all, else the first file of each name. */
function sameFolder(files: readonly string[], names: readonly string[]): string[] {
  const whole = files
    .map((path) => dirname(path))
    .find((folder) => names.every((name) => files.includes(join(folder, name))));
  if (whole !== undefined) return names.map((name) => join(whole, name));
  return names.flatMap((name) => files.find((path) => basename(path) === name) ?? []);
}
