/**
 * @module weights/read-rows
 * A part of a weight as float32, whichever way it is stored: a checkpoint is quantised without ever holding a whole matrix.
 */

import { CheckpointError } from "../errors.ts";
import { bfloat16ToFloat32, float16ToFloat32 } from "../math/half.ts";
import { elementCount } from "../math/tensor.ts";
import { quote } from "../text.ts";
import type { WeightEntry, WeightTable } from "./checkpoint.ts";
import { type Dtype, dtypeBytes, typedArray } from "./dtype.ts";
import { readRange, withFile } from "./file.ts";
import { findRowMaxima } from "./find-weight.ts";
import { dequantizeRows, scalesOfMaxima } from "./quantize.ts";

/**
 * Rows `row` to `row + count` of a weight of F32, F16, BF16 or int8 rows; of a kernel (O, C, h, w) each output is a row.
 * @throws {CheckpointError} of another type.
 */
export async function readRows(
  table: WeightTable,
  entry: WeightEntry,
  row: number,
  count: number,
): Promise<Float32Array> {
  const columns = elementCount(entry.shape.slice(1));
  if (entry.dtype !== "I8") return readFloats(entry, row * columns, count * columns);
  const maxima = await readFloats(findRowMaxima(table, entry), row, count);
  const data = new Int8Array((await readElements(entry, row * columns, count * columns)).buffer);
  return dequantizeRows({ data, scales: scalesOfMaxima(maxima) });
}

const floatTypes: readonly Dtype[] = ["F32", "F16", "BF16"];

/** Elements `start` to `start + count` of a tensor of F32, F16 or BF16. @throws {CheckpointError} of another type. */
export async function readFloats(entry: WeightEntry, start: number, count: number): Promise<Float32Array> {
  const { file, name, dtype } = entry;
  if (!floatTypes.includes(dtype))
    throw new CheckpointError(`${file}: tensor ${quote(name)} holds ${dtype}, not floats.`);
  const data = typedArray(dtype, (await readElements(entry, start, count)).buffer);
  if (data instanceof Float32Array) return data;
  return dtype === "F16" ? float16ToFloat32(data as Uint16Array) : bfloat16ToFloat32(data as Uint16Array);
}

function readElements(entry: WeightEntry, start: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
  const { file, dtype, offset } = entry;
  const size = dtypeBytes(dtype);
  return withFile(file, (handle) => readRange(handle, file, offset + start * size, count * size));
}
