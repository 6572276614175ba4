/**
 * @module runtime/bind-weights
 * A checkpoint's weight table as what lowering asks for: a weight by name, with the row scales of int8 weights.
 */

import { CheckpointError } from "../errors.ts";
import type { DType } from "../onnx/graph.ts";
import type { StoredTensor, WeightLookup } from "../onnx/lower/rewriting.ts";
import type { WeightEntry, WeightTable } from "../weights/checkpoint.ts";
import { findRowMaxima, findStored } from "../weights/find-weight.ts";
import { scalesOfMaxima } from "../weights/quantize.ts";
import { readTensorAsFloat32 } from "../weights/safetensors.ts";

const dtypes: Readonly<Record<string, DType>> = { F32: "float32", F16: "float16", BF16: "bfloat16", I8: "int8" };
const blocks: Readonly<Record<string, DType>> = { U8: "uint8", F16: "float16" };

/** @returns a look-up in `weights`; with null, every look-up is a mistake of ours. */
export async function bindWeights(weights: WeightTable | null): Promise<WeightLookup> {
  if (!weights) {
    return (name) => {
      throw new Error(`the weight ${name} was asked for, but the network was given none`);
    };
  }
  const scales = await readRowScales(weights);
  return (name, shape, aliases) => {
    const { entry, blockScales } = findStored(weights, name, shape, aliases);
    if (blockScales) return { ...storedTensor(entry, blocks), blockScales: storedTensor(blockScales, blocks) };
    const rowScales = scales.get(entry.name);
    return { ...storedTensor(entry, dtypes), ...(rowScales ? { rowScales } : {}) };
  };
}

/** @throws {CheckpointError} its type is none of `readTypes`. */
function storedTensor(entry: WeightEntry, readTypes: Readonly<Record<string, DType>>): StoredTensor {
  const { name, shape, file, offset, byteLength } = entry;
  const dtype = readTypes[entry.dtype];
  if (dtype) return { name, dtype, shape, file, offset, byteLength };
  throw new CheckpointError(
    `${file}: tensor "${name}" is ${entry.dtype}; if-gen reads weights of ${Object.keys(readTypes).join(", ")}.`,
  );
}

async function readRowScales(weights: WeightTable): Promise<ReadonlyMap<string, Float32Array>> {
  const scales = new Map<string, Float32Array>();
  for (const entry of weights.tensors.values()) {
    if (entry.dtype !== "I8") continue;
    const maxima = findRowMaxima(weights, entry);
    scales.set(entry.name, scalesOfMaxima(await readTensorAsFloat32(maxima.file, maxima)));
  }
  return scales;
}
