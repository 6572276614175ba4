/**
 * @module weights/quantize-checkpoint
 * T5's weights in 16 or 32 bits -> int8 rows, once, into a cache: a file of the 8-bit layout, with the matrices that the
 * published one keeps in float32 made int8 as well. Read and written in pieces, a few megabytes at a time.
 */

import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { CheckpointError, IfGenError, OutputError } from "../errors.ts";
import { bfloat16ToFloat32, float16ToFloat32, float32ToFloat16 } from "../math/half.ts";
import { type WeightEntry, type WeightTable, openWeights } from "./checkpoint.ts";
import { type Dtype, dtypeBytes, typedArray } from "./dtype.ts";
import { readRange, reasonOf, withFile } from "./file.ts";
import { quantizeRows } from "./quantize.ts";
import { type TensorLayout, writeSafetensorsStream } from "./safetensors-stream.ts";

/** Numbers read at once: 16 MiB of float32. */
const PIECE = 2 ** 22;

/** Raised when the same weights would give another file. */
const FORMAT = 1;

const RECEIPT = "quantized.json";
const receipt = z.strictObject({ format: z.literal(FORMAT), bytes: z.int(), sha256: z.string() });

/** Are these a layer's weights, which become int8? Embeddings, norms and position biases do not. */
export const isQuantized = (name: string, shape: readonly number[]): boolean =>
  shape.length === 2 && /\.(SelfAttention\.[qkvo]|DenseReluDense\.w[io](_[01])?)\.weight$/.test(name);

/**
 * @param source the weights, F32, F16 or BF16, in one file or in shards.
 * @param cache  where quantised weights are kept; created if missing.
 * @param onStart called when there are none yet and it will take a while.
 * @returns a component folder with config.json and model.8bit.safetensors: the one in the cache, or a new one.
 * @throws {CheckpointError} a weight cannot be read or is not finite.
 * @throws {OutputError}     the cache cannot be written to; nothing is left of the attempt.
 */
export async function quantizeIntoCache(source: WeightTable, cache: string, onStart?: () => void): Promise<string> {
  const folder = join(cache, await sourceKey(source));
  if (await isWhole(folder)) return folder;
  onStart?.();
  const temporary = `${folder}.${process.pid}.tmp`;
  try {
    await mkdir(temporary, { recursive: true });
    await copyFile(join(source.folder, "config.json"), join(temporary, "config.json"));
    const written = await quantizeTo(source, join(temporary, "model.8bit.safetensors"));
    await writeFile(join(temporary, RECEIPT), JSON.stringify({ format: FORMAT, ...written }));
    await rm(folder, { recursive: true, force: true }); // what is there is not whole
    await rename(temporary, folder);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    if (await isWhole(folder)) return folder; // another process was faster
    if (cause instanceof IfGenError || !(cause instanceof Error && "syscall" in cause)) throw cause;
    throw new OutputError(`quantised weights cannot be kept in ${cache} (${reasonOf(cause)}).`, { cause });
  }
  return folder;
}

/** Other files, or the same ones changed, are other weights. Reading 19 GB for a checksum would take too long. */
async function sourceKey({ files }: WeightTable): Promise<string> {
  const hash = createHash("sha256").update(`format ${FORMAT}\n`);
  for (const file of files) {
    const { size, mtimeMs } = await stat(file);
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex").slice(0, 32);
}

/** Written to its end: the receipt comes last. */
async function isWhole(folder: string): Promise<boolean> {
  try {
    const { bytes } = receipt.parse(JSON.parse(await readFile(join(folder, RECEIPT), "utf8")));
    const { size } = await stat(join(folder, "model.8bit.safetensors"));
    await openWeights(folder, "8bit");
    return size === bytes;
  } catch {
    return false;
  }
}

async function quantizeTo(source: WeightTable, path: string): Promise<{ bytes: number; sha256: string }> {
  const { tensors, maxima } = quantizedLayout(source);
  const produce = (name: string): AsyncIterable<Uint8Array> | Iterable<Uint8Array> => {
    const rowMaxima = maxima.get(name);
    if (rowMaxima) return [new Uint8Array(rowMaxima.buffer)];
    const entry = source.tensors.get(name);
    if (!entry) throw new Error(`${name} is not among the weights`);
    const scales = maxima.get(name.replace(/weight$/, "SCB"));
    return scales ? int8Pieces(entry, scales) : float16Pieces(entry);
  };
  const { bytes, sha256 = "" } = await writeSafetensorsStream(path, tensors, produce, {
    metadata: new Map([["format", "pt"]]),
    checksum: true,
    order: "given",
  });
  return { bytes, sha256 };
}

/** Without a decoder's weights, and with one of the two names of the embedding. */
const isOfEncoder = (name: string, { tensors }: WeightTable): boolean =>
  name === "shared.weight" ||
  (name.startsWith("encoder.") && !(name === "encoder.embed_tokens.weight" && tensors.has("shared.weight")));

/** What stays float first, then the int8 matrices, then their maxima, which are known last. */
function quantizedLayout(source: WeightTable): {
  tensors: Map<string, TensorLayout>;
  maxima: Map<string, Float32Array>;
} {
  const entries = [...source.tensors.values()].filter(({ name }) => isOfEncoder(name, source));
  const int8 = entries.filter(({ name, shape }) => isQuantized(name, shape));
  if (int8.length === 0) throw new CheckpointError(`${source.folder} does not hold the weights of a T5 encoder.`);
  const tensors = new Map<string, TensorLayout>();
  const maxima = new Map<string, Float32Array>();
  for (const { name, shape } of entries.filter((entry) => !int8.includes(entry))) {
    tensors.set(name, { dtype: "F16", shape });
  }
  for (const { name, shape } of int8) tensors.set(name, { dtype: "I8", shape });
  for (const { name, shape } of int8) {
    const scb = name.replace(/weight$/, "SCB");
    tensors.set(scb, { dtype: "F32", shape: shape.slice(0, 1) });
    maxima.set(scb, new Float32Array(shape[0] ?? 0));
  }
  return { tensors, maxima };
}

/** @param maxima filled in on the way. */
async function* int8Pieces(entry: WeightEntry, maxima: Float32Array): AsyncIterable<Uint8Array> {
  const [rows = 0, columns = 1] = entry.shape;
  const rowsAtOnce = Math.max(1, Math.floor(PIECE / columns));
  for (let row = 0; row < rows; row += rowsAtOnce) {
    const count = Math.min(rowsAtOnce, rows - row);
    const { data, scales } = quantizeRows(await readFloats(entry, row * columns, count * columns), count);
    for (const [at, scale] of scales.entries()) maxima[row + at] = scale * 127;
    yield new Uint8Array(data.buffer);
  }
}

async function* float16Pieces(entry: WeightEntry): AsyncIterable<Uint8Array> {
  const count = entry.shape.reduce((product, side) => product * side, 1);
  for (let at = 0; at < count; at += PIECE) {
    const halves = float32ToFloat16(await readFloats(entry, at, Math.min(PIECE, count - at)));
    yield new Uint8Array(halves.buffer);
  }
}

const floatTypes: readonly Dtype[] = ["F32", "F16", "BF16"];

/** Elements `start` to `start + count` of a tensor. */
async function readFloats(entry: WeightEntry, start: number, count: number): Promise<Float32Array> {
  const { file, name, dtype, offset } = entry;
  if (!floatTypes.includes(dtype)) throw new CheckpointError(`${file}: tensor "${name}" holds ${dtype}, not floats.`);
  const size = dtypeBytes(dtype);
  const bytes = await withFile(file, (handle) => readRange(handle, file, offset + start * size, count * size));
  const data = typedArray(dtype, bytes.buffer);
  if (data instanceof Float32Array) return data;
  return dtype === "F16" ? float16ToFloat32(data as Uint16Array) : bfloat16ToFloat32(data as Uint16Array);
}
