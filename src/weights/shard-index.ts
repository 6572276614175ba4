/**
 * @module weights/shard-index
 * The index beside weights in several files: which shard holds which tensor, and the bytes of all.
 * Source: transformers and diffusers, `*.safetensors.index.json`.
 */

import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { CheckpointError } from "../errors.ts";
import { listLimits } from "../files/json.ts";
import { isPrintable, printable, quote } from "../text.ts";
import { readJson } from "./file.ts";
import type { SafetensorsFile } from "./safetensors.ts";
import { getTied } from "./tied-names.ts";

export interface ShardIndex {
  readonly path: string;
  /** Tensor -> name of a file in the same folder. */
  readonly weightMap: ReadonlyMap<string, string>;
  /** Bytes of all tensors without headers; some writers leave it out. */
  readonly totalBytes: number | undefined;
}

const indexSchema = z.object({
  metadata: z.object({ total_size: z.number().nonnegative().optional() }).optional(),
  weight_map: z.custom<Readonly<Record<string, string>>>(isMapOfStrings, "expected a map of names to files"),
});

/** More shards than any network has; each is opened. */
const maxShards = 1000;

/** @throws {CheckpointError} the index is missing, broken, empty, or points out of its folder. */
export async function readShardIndex(path: string): Promise<ShardIndex> {
  const result = indexSchema.safeParse(await readJson(path, listLimits));
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new CheckpointError(
      `${path} is not an index of shards: ${printable(issue?.path.join(".") ?? "")}: ${printable(issue?.message ?? "", 120)}.`,
    );
  }
  const weightMap = new Map(Object.entries(result.data.weight_map));
  if (weightMap.size === 0) throw new CheckpointError(`${path} names no tensors; download it again.`);
  for (const [name, file] of weightMap) {
    if (!isFileName(file)) {
      throw new CheckpointError(
        `${path} puts tensor ${quote(name)} into ${quote(file)}, which is no .safetensors file beside it.`,
      );
    }
  }
  const shards = new Set(weightMap.values()).size;
  if (shards > maxShards) throw new CheckpointError(`${path} names ${shards} files; ${maxShards} are allowed.`);
  return { path, weightMap, totalBytes: result.data.metadata?.total_size };
}

/** Every value is looked at here: a schema would keep one issue for each that is wrong. */
function isMapOfStrings(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((file) => typeof file === "string");
}

/** Of a file in the same folder, on every system. */
function isFileName(name: string): boolean {
  return /^[^/\\]+\.safetensors$/.test(name) && isPrintable(name) && Buffer.byteLength(name) <= 255;
}

/** @returns the paths of all shards, sorted. */
export function shardFiles(index: ShardIndex): string[] {
  return [...new Set(index.weightMap.values())].sort().map((file) => join(dirname(index.path), file));
}

/** @throws {CheckpointError} a tensor is not in exactly the shard that the index names, or the bytes do not add up. */
export function checkShards(index: ShardIndex, shards: readonly SafetensorsFile[]): void {
  const { path, weightMap } = index;
  const shardOf = new Map<string, string>();
  for (const shard of shards) {
    const file = basename(shard.path);
    for (const name of shard.tensors.keys()) {
      const other = shardOf.get(name);
      if (other !== undefined) {
        throw new CheckpointError(
          `${path}: tensor ${quote(name)} is stored twice, in ${other} and ${file}; remove one.`,
        );
      }
      shardOf.set(name, file);
    }
  }
  for (const name of new Set([...weightMap.keys(), ...shardOf.keys()])) {
    const [named, stored] = [weightMap.get(name), shardOf.get(name)];
    if (named === stored || (stored === undefined && getTied(shardOf, name) !== undefined)) continue;
    const where = stored === undefined ? "no shard holds it" : `it is in ${stored}`;
    throw new CheckpointError(
      `${path} places tensor ${quote(name)} in ${named ?? "no shard"}, but ${where}; download the index and its shards again.`,
    );
  }
  checkTotal(index, shards);
}

/** A tensor tied to another is stored once; whether it counts twice, writers disagree. */
function checkTotal({ path, weightMap, totalBytes }: ShardIndex, shards: readonly SafetensorsFile[]): void {
  const bytes = new Map(shards.flatMap(({ tensors }) => [...tensors.values()].map((t) => [t.name, t.byteLength])));
  const stored = [...bytes.values()].reduce((sum, value) => sum + value, 0);
  const named = [...weightMap.keys()].reduce((sum, name) => sum + (getTied(bytes, name) ?? 0), 0);
  if (totalBytes !== undefined && totalBytes !== stored && totalBytes !== named) {
    throw new CheckpointError(
      `${path} says its shards hold ${totalBytes} bytes of tensors, but they hold ${stored}; download them again.`,
    );
  }
}
