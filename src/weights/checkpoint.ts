/**
 * @module weights/checkpoint
 * A component folder such as `unet/` or `text_encoder/` -> the table of all its weights. Reads headers only: 2,000 tensors
 * in 20 GB of shards take milliseconds.
 *
 * The 8-bit layout (bitsandbytes LLM.int8): int8 `X.weight` with the float32 maxima of its rows in `X.SCB`,
 * weight = int8 · SCB / 127; what is not int8 is F16 or F32.
 */

import { realpath } from "node:fs/promises";
import { CheckpointError } from "../errors.ts";
import { reasonOf } from "../files/regular-file.ts";
import { quote } from "../text.ts";
import { type SafetensorsFile, readSafetensorsHeader, readTensor } from "./safetensors.ts";
import type { TensorEntry } from "./safetensors-header.ts";
import { checkShards, readShardIndex, shardFiles } from "./shard-index.ts";
import { chooseSource, type Variant } from "./variants.ts";

export interface WeightEntry extends TensorEntry {
  /** The real file, links resolved: the Hub's cache is links into blobs/. */
  readonly file: string;
}

/** All tensors of one variant of one network, from however many files. */
export interface WeightTable {
  readonly folder: string;
  readonly variant: Variant;
  /** As named in the folder, links not resolved. */
  readonly files: readonly string[];
  readonly tensors: ReadonlyMap<string, WeightEntry>;
  /** Of all tensors, headers not counted. */
  readonly totalBytes: number;
}

/**
 * @param variant exactly this one; without it the smallest whose files are all there.
 * @throws {CheckpointError} no such weights (names those that are there), a broken or missing file, shards that do not
 *                           agree with their index, or an 8-bit layout that is not row by row.
 */
export async function openWeights(folder: string, variant?: Variant): Promise<WeightTable> {
  const source = await chooseSource(folder, variant);
  const index = source.kind === "sharded" ? await readShardIndex(source.path) : undefined;
  const paths = index === undefined ? [source.path] : shardFiles(index);
  const files: SafetensorsFile[] = [];
  for (const path of paths) files.push(await readSafetensorsHeader(path)); // one at a time: a process may open few files
  if (index !== undefined) checkShards(index, files);
  const tensors = new Map<string, WeightEntry>();
  let totalBytes = 0;
  for (const { path, tensors: entries } of files) {
    const file = await realFile(path);
    for (const entry of entries.values()) {
      tensors.set(entry.name, { ...entry, file });
      totalBytes += entry.byteLength;
    }
  }
  await checkWeightFormats(tensors);
  return { folder, variant: source.variant, files: paths, tensors, totalBytes };
}

/**
 * One file as a table, whatever it is called. Its variant is `fp16` where all its tensors are, else `fp32`.
 * @throws {CheckpointError} it is missing, or no safetensors file.
 */
export async function openWeightFile(path: string): Promise<WeightTable> {
  const { tensors: entries } = await readSafetensorsHeader(path);
  const file = await realFile(path);
  const tensors = new Map([...entries].map(([name, entry]): [string, WeightEntry] => [name, { ...entry, file }]));
  const all = [...entries.values()];
  return {
    folder: path,
    variant: all.every(({ dtype }) => dtype === "F16") ? "fp16" : "fp32",
    files: [path],
    tensors,
    totalBytes: all.reduce((sum, { byteLength }) => sum + byteLength, 0),
  };
}

async function realFile(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    throw new CheckpointError(`${path} cannot be read (${reasonOf(cause)}); was it removed meanwhile?`, { cause });
  }
}

/**
 * Newer bitsandbytes add a byte `*.weight_format` to each int8 weight: 0 is row by row, anything else a layout made for
 * one kind of GPU.
 */
async function checkWeightFormats(tensors: ReadonlyMap<string, WeightEntry>): Promise<void> {
  for (const entry of tensors.values()) {
    if (!entry.name.endsWith(".weight_format")) continue;
    const data = await readTensor(entry.file, entry);
    if (entry.dtype !== "U8" || data.length !== 1 || data[0] !== 0) {
      throw new CheckpointError(
        `${entry.file}: ${quote(entry.name)} is not 0 (row by row), the only 8-bit layout if-gen reads.`,
      );
    }
  }
}
