/**
 * @module catalog/outline
 * A checkpoint without its weights: configs and tokenizers as they are, of each safetensors file the header, then a hole
 * as long as its tensors. A plan reads no more than that, so it can be made before gigabytes are fetched.
 */

import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { OutputError, whyNotWritten } from "../errors.ts";
import { downloadListed } from "../hub/download-files.ts";
import { snapshotFolder } from "../hub/layout.ts";
import { readFileStart } from "../hub/read-start.ts";
import type { HubSettings, RepoFile } from "../hub/types.ts";
import { headerBytes, prefixBytes } from "../weights/safetensors-header.ts";
import type { PlannedPull } from "./pull.ts";
import { totalBytes } from "./select-files.ts";

export interface Outline {
  /** As a folder of the Hub's cache has it. */
  readonly folder: string;
  /** What was fetched for it. */
  readonly fetchedBytes: number;
  /** Bytes a second that arrived; undefined: all was too small to tell. */
  readonly rate: number | undefined;
}

/** Longer than most headers of a network; the rest of a longer one is fetched in a second request. */
const FIRST_BYTES = 2 ** 18;
/** Of the largest file, so that the rate is one. */
const RATE_BYTES = 2 ** 21;

/**
 * @param cacheFolder where it goes: a folder of its own, not the shared cache.
 * @throws {HubError} a file cannot be had.
 * @throws {CheckpointError} a file is no safetensors file.
 * @throws {OutputError} the folder cannot be written to.
 */
export async function outlinePull(
  settings: HubSettings,
  { source: { repo }, listing }: PlannedPull,
  cacheFolder: string,
  signal?: AbortSignal,
): Promise<Outline> {
  const outlineSettings = { ...settings, cacheFolder };
  const { commit, files } = listing;
  const weights = files.filter(({ path }) => path.endsWith(".safetensors"));
  const others = files.filter((file) => !weights.includes(file));
  await downloadListed(outlineSettings, repo, { commit, files: others }, signal ? { signal } : {});
  const folder = snapshotFolder(outlineSettings, repo, commit);
  const largest = weights.reduce((most, file) => (file.bytes > most ? file.bytes : most), 0);
  let [fetchedBytes, rate] = [totalBytes(others), undefined as number | undefined];
  for (const file of weights) {
    const isLargest = file.bytes === largest;
    const start = await readHeader(settings, { repo, commit, file }, isLargest ? RATE_BYTES : FIRST_BYTES, signal);
    if (isLargest) rate = start.rate;
    fetchedBytes += start.fetchedBytes;
    await writeOutline(join(folder, ...file.path.split("/")), start.header, file.bytes);
  }
  return { folder, fetchedBytes, rate };
}

async function readHeader(
  settings: HubSettings,
  place: { readonly repo: string; readonly commit: string; readonly file: RepoFile },
  firstBytes: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly header: Uint8Array; readonly fetchedBytes: number; readonly rate: number | undefined }> {
  const { repo, file } = place;
  const first = await readFileStart(settings, place, firstBytes, signal);
  const length = prefixBytes + headerBytes(first.bytes, file.bytes, `${repo}: ${file.path}`);
  if (length <= first.bytes.length) {
    return { header: first.bytes.subarray(0, length), fetchedBytes: first.bytes.length, rate: first.rate };
  }
  const whole = await readFileStart(settings, place, length, signal);
  return { header: whole.bytes, fetchedBytes: first.bytes.length + whole.bytes.length, rate: first.rate };
}

/** A file of `bytes` bytes that begins with `header`; what is never written takes no room on the disk. */
async function writeOutline(path: string, header: Uint8Array, bytes: number): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(path, "wx");
    try {
      await handle.writeFile(header);
      await handle.truncate(bytes);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new OutputError(`${path} cannot be written: ${whyNotWritten(cause)}.`, { cause });
  }
}
