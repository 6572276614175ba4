/**
 * @module weights/lora/merge-lora
 * LoRAs merged into a network's weights, once, into a cache: W + sum of weight · alpha / r · up · down. Only the weights that
 * they change are written, in pieces of a few megabytes; all others are read from the checkpoint as they lie. So there is no
 * second copy of the network, neither in memory nor on the disk.
 *
 * Source: Hu et al. 2021 (arXiv 2106.09685), section 4.1.
 */

import { createHash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../../errors.ts";
import { hashFile } from "../../files/hash-file.ts";
import { float32ToBfloat16, float32ToFloat16 } from "../../math/half.ts";
import { elementCount } from "../../math/tensor.ts";
import { quote } from "../../text.ts";
import type { WeightEntry, WeightTable } from "../checkpoint.ts";
import { makeDerived } from "../derived-folder.ts";
import { derivedFault, writeReceipt } from "../derived-receipt.ts";
import { dtypeBytes } from "../dtype.ts";
import { readRows } from "../read-rows.ts";
import { readSafetensorsHeader, readTensorAsFloat32 } from "../safetensors.ts";
import { type TensorLayout, writeSafetensorsStream } from "../safetensors-stream.ts";
import type { LoraNetwork } from "./lora-keys.ts";
import { matchLora } from "./match-lora.ts";
import { type LoraLayer, readLora } from "./read-lora.ts";

/** One LoRA, and how much of it. */
export interface AppliedLora {
  readonly file: string;
  /** Of the file, when it was chosen. */
  readonly sha256: string;
  readonly weight: number;
}

/** What is merged into a network. */
export interface LoraMerge {
  readonly network: LoraNetwork;
  readonly loras: readonly AppliedLora[];
  /** Where merged weights are kept. */
  readonly cache: string;
}

/** Numbers read at once: 16 MiB of float32. */
const PIECE = 2 ** 22;

/** Raised when the same files would give another one. */
const FORMAT = 1;

const MAX_FLOAT16 = 65504;

const FILE = "merged.safetensors";

/**
 * @param table   the network's weights.
 * @param onStart called when they are not there yet and it will take a while.
 * @returns the table with the weights that the LoRAs change in place of its own: from the cache, or made now.
 * @throws {CheckpointError} a LoRA cannot be read, has changed since it was chosen, or belongs to another network.
 * @throws {OutputError}     the cache cannot be written to; nothing is left of the attempt.
 */
export async function mergeIntoCache(table: WeightTable, merge: LoraMerge, onStart?: () => void): Promise<WeightTable> {
  const { cache, loras } = merge;
  const folder = join(cache, await mergeKey(table, merge));
  const isUsable = async (): Promise<boolean> => (await derivedFault(folder)) === undefined;
  if (!(await isUsable())) {
    onStart?.();
    for (const lora of loras) await checkUnchanged(lora);
    const changes = await findChanges(table, merge);
    await makeDerived(cache, folder, "weights with a LoRA merged in", isUsable, async (temporary) => {
      const produce = (name: string): AsyncIterable<Uint8Array> => mergedPieces(table, name, changes.get(name) ?? []);
      const { bytes, sha256 = "" } = await writeSafetensorsStream(
        join(temporary, FILE),
        layoutOf(table, changes.keys()),
        produce,
        { checksum: true },
      );
      await writeReceipt(temporary, { kind: "lora", source: table.folder, files: { [FILE]: { bytes, sha256 } } });
    });
  }
  return withMerged(table, join(folder, FILE));
}

/**
 * @returns the table as `mergeIntoCache` would give it, told from headers where it is yet to be made: then `isMade` is false
 * and the changed weights lie in no file.
 */
export async function expectMerged(
  table: WeightTable,
  merge: LoraMerge,
): Promise<{ readonly table: WeightTable; readonly isMade: boolean }> {
  const folder = join(merge.cache, await mergeKey(table, merge));
  if ((await derivedFault(folder)) === undefined) {
    return { table: await withMerged(table, join(folder, FILE)), isMade: true };
  }
  const changes = await findChanges(table, merge);
  const entries = [...layoutOf(table, changes.keys())].map(([name, { dtype, shape }]): WeightEntry => {
    const byteLength = elementCount(shape) * dtypeBytes(dtype);
    return { name, dtype, shape, byteLength, offset: 0, file: "" };
  });
  return { table: withEntries(table, entries, []), isMade: false };
}

/** Other weights, other LoRAs or other shares of them are other results. */
async function mergeKey({ files }: WeightTable, { network, loras }: LoraMerge): Promise<string> {
  const hash = createHash("sha256").update(`format ${FORMAT}, LoRAs of ${network}\n`);
  for (const file of files) {
    const { size, mtimeMs } = await stat(file);
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  for (const { sha256, weight } of loras) hash.update(`${sha256} ${weight}\n`);
  return hash.digest("hex").slice(0, 32);
}

async function checkUnchanged({ file, sha256 }: AppliedLora): Promise<void> {
  const now = await hashFile(file).catch(() => undefined);
  if (now !== sha256) throw new CheckpointError(`the LoRA ${file} was changed or removed meanwhile; start again.`);
}

interface Change {
  readonly file: string;
  readonly layer: LoraLayer;
  /** Of the product: weight · alpha / r. */
  readonly factor: number;
}

/** What is added to which weight, by its name. */
async function findChanges(table: WeightTable, { network, loras }: LoraMerge): Promise<ReadonlyMap<string, Change[]>> {
  const changes = new Map<string, Change[]>();
  for (const { file, weight } of loras) {
    const { layers, fault } = matchLora(await readLora(file), network, table);
    if (!layers) throw new CheckpointError(`${file} is no LoRA for ${table.folder}: ${fault}.`);
    for (const [name, layer] of layers) {
      changes.set(name, [...(changes.get(name) ?? []), { file, layer, factor: weight * layer.scale }]);
    }
  }
  return changes;
}

/** Weights keep their type. Of int8 rows the sum is kept as float16: it would not lie on their grid. */
function layoutOf(table: WeightTable, names: Iterable<string>): ReadonlyMap<string, TensorLayout> {
  return new Map(
    [...names].map((name) => {
      const { dtype, shape } = table.tensors.get(name)!; // it was found there
      return [name, { dtype: dtype === "I8" ? "F16" : dtype, shape }];
    }),
  );
}

async function* mergedPieces(table: WeightTable, name: string, changes: readonly Change[]): AsyncIterable<Uint8Array> {
  const entry = table.tensors.get(name)!;
  const [rows = 0, ...sides] = entry.shape;
  const columns = elementCount(sides);
  const factors = await Promise.all(
    changes.map(async ({ file, layer: { down, up }, factor }) => ({
      down: await readTensorAsFloat32(file, down), // (r, columns)
      up: await readTensorAsFloat32(file, up), // (rows, r)
      rank: down.shape[0]!,
      factor,
    })),
  );
  const rowsAtOnce = Math.max(1, Math.floor(PIECE / columns));
  for (let first = 0; first < rows; first += rowsAtOnce) {
    const count = Math.min(rowsAtOnce, rows - first);
    const weights = await readRows(table, entry, first, count);
    for (let row = 0; row < count; row++) {
      addProducts(weights.subarray(row * columns, (row + 1) * columns), first + row, factors);
    }
    const bytes = bytesAs(entry.dtype, weights);
    if (!bytes) {
      throw new CheckpointError(
        `${quote(name)} with ${changes[0]?.file} merged in is not finite; take a smaller weight.`,
      );
    }
    yield bytes;
  }
}

interface Factors {
  readonly down: Float32Array;
  readonly up: Float32Array;
  readonly rank: number;
  readonly factor: number;
}

/** One row of W + sum of factor · up · down, rounded once. @param weights the row, written over. */
function addProducts(weights: Float32Array, row: number, all: readonly Factors[]): void {
  const sum = new Float64Array(weights);
  for (const { down, up, rank, factor } of all) {
    for (let k = 0; k < rank; k++) {
      const share = factor * up[row * rank + k]!;
      const at = k * weights.length;
      for (let i = 0; i < sum.length; i++) sum[i]! += share * down[at + i]!;
    }
  }
  weights.set(sum);
}

/** @returns undefined: a number is too large for the type, or none. */
function bytesAs(dtype: WeightEntry["dtype"], weights: Float32Array): Uint8Array | undefined {
  const largest = dtype === "F16" || dtype === "I8" ? MAX_FLOAT16 : Number.MAX_VALUE;
  for (let i = 0; i < weights.length; i++) if (!(Math.abs(weights[i]!) <= largest)) return undefined;
  const { buffer, byteOffset, byteLength } =
    dtype === "F32" ? weights : dtype === "BF16" ? float32ToBfloat16(weights) : float32ToFloat16(weights);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function withMerged(table: WeightTable, path: string): Promise<WeightTable> {
  const file = await realpath(path);
  const { tensors } = await readSafetensorsHeader(path);
  const entries = [...tensors.values()].map((entry): WeightEntry => ({ ...entry, file }));
  return withEntries(table, entries, [path]);
}

function withEntries(table: WeightTable, entries: readonly WeightEntry[], files: readonly string[]): WeightTable {
  const tensors = new Map(table.tensors);
  for (const entry of entries) {
    tensors.set(entry.name, entry);
    tensors.delete(entry.name.replace(/weight$/, "SCB")); // int8 rows' maxima
  }
  const totalBytes = [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  return { ...table, files: [...table.files, ...files], tensors, totalBytes };
}
