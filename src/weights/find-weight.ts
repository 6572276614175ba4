/**
 * @module weights/find-weight
 * Looks up the tensors of a WeightTable by the names a network asks for, with errors that show what does not fit.
 */

import { basename } from "node:path";
import { CheckpointError } from "../errors.ts";
import { quote } from "../text.ts";
import type { WeightEntry, WeightTable } from "./checkpoint.ts";
import { nearestName } from "./nearest-name.ts";
import { BLOCK, blockScalesName, blockShapes } from "./quantize-blocks.ts";
import { dequantizeRows, scalesOfMaxima } from "./quantize.ts";
import { readTensor, readTensorAsFloat32 } from "./safetensors.ts";
import { getTied } from "./tied-names.ts";
import { blockMatrix } from "./unet-blocks.ts";

/**
 * @returns the tensor of this name and shape; T5's `shared.weight` also as `encoder.embed_tokens.weight`, and the other
 *          way round.
 * @throws {CheckpointError} it is missing (names the nearest there is) or has another shape.
 */
export function findWeight(table: WeightTable, name: string, shape: readonly number[]): WeightEntry {
  const entry = getTied(table.tensors, name);
  const files = table.files.map((file) => basename(file)).join(", ");
  if (entry === undefined) {
    const near = nearestName(name, table.tensors.keys());
    const hint = near === undefined ? "" : ` (the nearest name there is ${quote(near)})`;
    throw new CheckpointError(
      `${table.folder}: tensor ${quote(name)} is missing from ${files}${hint}; are these the weights of another network?`,
    );
  }
  if (entry.shape.length !== shape.length || entry.shape.some((side, axis) => side !== shape[axis])) {
    throw new CheckpointError(
      `${table.folder}: tensor ${quote(name)} has the shape [${entry.shape.join(", ")}] in ${files}, ` +
        `but the config asks for [${shape.join(", ")}]; they belong to different networks.`,
    );
  }
  return entry;
}

/**
 * The row maxima of an int8 `X.weight` of the 8-bit layout: float32 `X.SCB`; weight = int8 · SCB / 127.
 * @param weight an I8 entry (rows, columns) of the table.
 * @throws {CheckpointError} it has none, or not one float32 per row.
 */
export function findRowMaxima(table: WeightTable, weight: WeightEntry): WeightEntry {
  const entry = findWeight(table, weight.name.replace(/weight$/, "SCB"), weight.shape.slice(0, 1));
  if (entry.dtype !== "F32") {
    throw new CheckpointError(
      `${table.folder}: tensor ${quote(entry.name)} is ${entry.dtype}, but the 8-bit layout has F32 there; download it again.`,
    );
  }
  return entry;
}

/** A weight as it lies in its file, with what scales it where it lies in blocks. */
export interface StoredEntry {
  readonly entry: WeightEntry;
  readonly blockScales?: WeightEntry;
}

/**
 * @param aliases older names, taken where the first is missing.
 * @returns the weight of this name and, unpacked, of this shape.
 * @throws {CheckpointError} as findWeight.
 */
export function findStored(
  table: WeightTable,
  requestedName: string,
  shape: readonly number[],
  aliases: readonly string[],
): StoredEntry {
  const older = table.tensors.has(requestedName) ? undefined : aliases.find((alias) => table.tensors.has(alias));
  const name = older ?? requestedName;
  const scalesName = blockScalesName(name);
  if (!name.endsWith(".weight") || !table.tensors.has(scalesName)) return { entry: findWeight(table, name, shape) };
  const bits = table.tensors.get(name)?.shape.at(-1) === BLOCK ? 8 : 4;
  const { data, scales } = blockShapes(blockMatrix(name, shape), bits);
  return { entry: findWeight(table, name, data), blockScales: findWeight(table, scalesName, scales) };
}

/** Does the table hold weights in blocks? */
export const hasBlocks = ({ tensors }: WeightTable): boolean =>
  [...tensors.keys()].some((name) => name.endsWith(".block_scales"));

/**
 * Reads a weight as float32, whichever way it is stored: F32, F16, BF16, F64 or int8 rows.
 * @throws {CheckpointError} as findWeight, findRowMaxima and readTensorAsFloat32.
 */
export async function readWeight(table: WeightTable, name: string, shape: readonly number[]): Promise<Float32Array> {
  const entry = findWeight(table, name, shape);
  if (entry.dtype !== "I8") return readTensorAsFloat32(entry.file, entry);
  const maxima = findRowMaxima(table, entry);
  const data = (await readTensor(entry.file, entry)) as Int8Array; // I8
  return dequantizeRows({ data, scales: scalesOfMaxima(await readTensorAsFloat32(maxima.file, maxima)) });
}
