/**
 * @module weights/safetensors
 * Safetensors files on disk: reads the header alone, then single tensors by range; writes the files stages exchange.
 * Never holds a whole checkpoint: Node 20's buffers end at 4 GiB and T5-XXL has 19.
 */

import type { FileHandle } from "node:fs/promises";
import { CheckpointError, OutputError, ShapeError, whyNotWritten } from "../errors.ts";
import { replaceFile } from "../files/replace-file.ts";
import { bfloat16ToFloat32, float16ToFloat32 } from "../math/half.ts";
import { elementCount } from "../math/tensor.ts";
import { quote } from "../text.ts";
import { type Dtype, type TensorData, compareDtypes, dtypeBytes, holdsDtype, typedArray } from "./dtype.ts";
import { readRange, withFile } from "./file.ts";
import {
  type SafetensorsHeader,
  type TensorEntry,
  headerBytes,
  parseHeader,
  prefixBytes,
} from "./safetensors-header.ts";

export interface SafetensorsFile extends SafetensorsHeader {
  readonly path: string;
}

/** A tensor to be written; `data` is the array class of `dtype` (see weights/dtype). */
export interface TensorSource {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Enough for the header of a small file, so that one read does. */
const firstReadBytes = 64 * 1024;

/**
 * Reads and checks the header, nothing else.
 * @throws {CheckpointError} the file is missing, unreadable, or not a whole safetensors file.
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsFile> {
  return withFile(path, async (handle, fileBytes) => {
    const first = await readRange(handle, path, 0, Math.min(fileBytes, firstReadBytes));
    const length = prefixBytes + headerBytes(first, fileBytes, path);
    const bytes = length <= first.length ? first : await readRange(handle, path, 0, length);
    return { path, ...parseHeader(bytes, fileBytes, path) };
  });
}

/**
 * Reads one tensor's bytes, at most 4 GiB.
 * @returns its elements in a buffer of their own: F16 and BF16 as bits, BOOL as bytes.
 * @throws {CheckpointError} the file is missing, unreadable, or has become shorter.
 */
export async function readTensor(path: string, entry: TensorEntry): Promise<TensorData> {
  return withFile(path, async (handle) => {
    const bytes = await readRange(handle, path, entry.offset, entry.byteLength);
    return typedArray(entry.dtype, bytes.buffer);
  });
}

/**
 * Reads one tensor of F32, F16, BF16 or F64 as float32.
 * @throws {CheckpointError} as readTensor, or the tensor does not hold floats.
 */
export async function readTensorAsFloat32(path: string, entry: TensorEntry): Promise<Float32Array> {
  const data = await readTensor(path, entry);
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  if (data instanceof Uint16Array && entry.dtype === "F16") return float16ToFloat32(data);
  if (data instanceof Uint16Array && entry.dtype === "BF16") return bfloat16ToFloat32(data);
  throw new CheckpointError(`${path}: tensor ${quote(entry.name)} holds ${entry.dtype}, not floats.`);
}

/**
 * Writes a file that appears whole or not at all: into a temporary neighbour first, which is then renamed.
 * Equal tensors give equal bytes, and the same bytes as the reference library: large types first, then by name.
 * @throws {OutputError} the file cannot be written.
 * @throws {ShapeError}  `data` is not what `dtype` and `shape` say.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorSource>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  for (const [name, source] of tensors) checkSource(name, source);
  const ordered = fileOrder(tensors);
  const write = async (handle: FileHandle): Promise<void> => {
    await handle.writeFile(encodeHeader(ordered, metadata));
    for (const [, { data }] of ordered) {
      await handle.writeFile(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  };
  try {
    await replaceFile(path, write, { sync: false }); // a run that lost it draws it again
  } catch (cause) {
    throw new OutputError(`${path} cannot be written: ${whyNotWritten(cause)}.`, { cause });
  }
}

/** @returns the tensors as the reference library orders a file: large types first, then by name. */
export function fileOrder<T extends Pick<TensorSource, "dtype">>(tensors: ReadonlyMap<string, T>): [string, T][] {
  return [...tensors].sort(
    ([aName, a], [bName, b]) =>
      compareDtypes(a.dtype, b.dtype) || Buffer.compare(Buffer.from(aName), Buffer.from(bName)),
  );
}

/** The bytes before the tensors of a file that holds these, in this order and without holes. */
export function encodeHeader(
  tensors: readonly (readonly [string, Pick<TensorSource, "dtype" | "shape">])[],
  metadata: ReadonlyMap<string, string>,
): Uint8Array {
  const keys = [...metadata.keys()].sort();
  const entries: [string, unknown][] =
    keys.length === 0 ? [] : [["__metadata__", Object.fromEntries(keys.map((key) => [key, metadata.get(key)]))]];
  let end = 0;
  for (const [name, { dtype, shape }] of tensors) {
    const byteLength = elementCount(shape) * dtypeBytes(dtype);
    entries.push([name, { dtype, shape, data_offsets: [end, (end += byteLength)] }]);
  }
  // Not one JSON.stringify: an object would move names such as "0" to the front.
  const json = `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",")}}`;
  const text = Buffer.from(json);
  const length = Math.ceil(text.length / 8) * 8; // so that the tensors start at a multiple of 8
  const bytes = Buffer.alloc(prefixBytes + length, " ");
  bytes.writeBigUInt64LE(BigInt(length));
  text.copy(bytes, prefixBytes);
  return bytes;
}

function checkSource(name: string, { dtype, shape, data }: TensorSource): void {
  if (name === "__metadata__") throw new ShapeError(`${name} cannot be the name of a tensor`);
  if (!holdsDtype(data, dtype) || data.byteLength !== elementCount(shape) * dtypeBytes(dtype)) {
    throw new ShapeError(
      `${name}: ${data.length} elements of ${data.constructor.name} are not ${dtype} [${shape.join(", ")}]`,
    );
  }
}
