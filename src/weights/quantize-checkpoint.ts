/**
 * @module weights/quantize-checkpoint
 * A network's weights -> fewer bits, once, into a cache (weights/quantized-layout): T5's to int8 rows or 4-bit blocks, a
 * UNet's to 8-bit blocks. Read and written in pieces, a few megabytes at a time.
 */

import { createHash } from "node:crypto";
import { copyFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { float32ToFloat16 } from "../math/half.ts";
import { elementCount } from "../math/tensor.ts";
import { type WeightEntry, type WeightTable, openWeights } from "./checkpoint.ts";
import { hashFile } from "../files/hash-file.ts";
import { makeDerived } from "./derived-folder.ts";
import { derivedFault, describeFile, readReceipt, writeReceipt } from "./derived-receipt.ts";
import {
  type QuantizedBits,
  type QuantizedKind,
  type QuantizedTensor,
  quantizedLayouts,
  quantizedTensors,
} from "./quantized-layout.ts";
import { BLOCK } from "./quantize-blocks.ts";
import { readFloats, readRows } from "./read-rows.ts";
import { type Produce, writeSafetensorsStream } from "./safetensors-stream.ts";
import { type Variant, listVariants, resolveVariant } from "./variants.ts";

/** Numbers read at once: 16 MiB of float32. */
const PIECE = 2 ** 22;

/** Raised when the same weights would give another file. */
const FORMAT = 3;

const CONFIG = "config.json";

/**
 * Where T5's weights in so many bits come from: the checkpoint's own 8-bit file as it lies, else weights that are to be
 * quantised: those asked for or, for 8 bits, the smallest; for 4, the smallest float ones, and int8 rows only where there
 * are no others.
 * @throws {CheckpointError} the folder has no such weights.
 */
export async function quantizationSource(
  folder: string,
  bits: QuantizedBits,
  requested?: Variant,
): Promise<{ readonly variant: Variant; readonly inPlace: boolean }> {
  const variants = await listVariants(folder);
  if (bits === 8 && (requested === "8bit" || variants.includes("8bit"))) {
    return { variant: await resolveVariant(folder, "8bit", ["8bit", "fp16", "fp32"]), inPlace: true };
  }
  const floats = variants.find((variant) => variant !== "8bit");
  return { variant: await resolveVariant(folder, requested ?? floats, ["8bit", "fp16", "fp32"]), inPlace: false };
}

/**
 * @param source the weights, F32, F16, BF16 or the published int8 rows, in one file or in shards.
 * @param cache  where quantised weights are kept; created if missing.
 * @param onStart called when there are none yet and it will take a while.
 * @returns a component folder with config.json and the weights: the one in the cache, or a new one.
 * @throws {CheckpointError} a weight cannot be read or is not finite.
 * @throws {OutputError}     the cache cannot be written to; nothing is left of the attempt.
 */
export async function quantizeIntoCache(
  source: WeightTable,
  cache: string,
  kind: QuantizedKind,
  onStart?: () => void,
): Promise<string> {
  const folder = join(cache, await sourceKey(source, kind));
  if (await isUsable(folder, source, kind)) return folder;
  onStart?.();
  await makeDerived(
    cache,
    folder,
    "quantised weights",
    () => isUsable(folder, source, kind),
    async (temporary) => {
      const { file } = quantizedLayouts[kind];
      await copyFile(join(source.folder, CONFIG), join(temporary, CONFIG));
      const written = await quantizeTo(source, kind, join(temporary, file));
      const files = { [CONFIG]: await describeFile(join(temporary, CONFIG)), [file]: written };
      await writeReceipt(temporary, { kind, source: source.folder, files });
    },
  );
  return folder;
}

/** @returns the folder that `quantizeIntoCache` would find in the cache; undefined: it would have to make one. */
export async function findQuantized(
  source: WeightTable,
  cache: string,
  kind: QuantizedKind,
): Promise<string | undefined> {
  const folder = join(cache, await sourceKey(source, kind));
  return (await isUsable(folder, source, kind)) ? folder : undefined;
}

/** Other files, or the same ones changed, are other weights. Reading 19 GB for a checksum would take too long. */
async function sourceKey({ files }: WeightTable, kind: QuantizedKind): Promise<string> {
  const hash = createHash("sha256").update(`format ${FORMAT}, ${kind} bits\n`);
  for (const file of files) {
    const { size, mtimeMs } = await stat(file);
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex").slice(0, 32);
}

/** Written to its end, unchanged since then, of a network whose config is still the same, and readable. */
async function isUsable(folder: string, source: WeightTable, kind: QuantizedKind): Promise<boolean> {
  try {
    if ((await derivedFault(folder)) !== undefined) return false;
    const receipt = await readReceipt(folder);
    if (receipt?.files[CONFIG]?.sha256 !== (await hashFile(join(source.folder, CONFIG)))) return false;
    await openWeights(folder, quantizedLayouts[kind].variant);
    return true;
  } catch {
    return false;
  }
}

async function quantizeTo(
  source: WeightTable,
  kind: QuantizedKind,
  path: string,
): Promise<{ bytes: number; sha256: string }> {
  const scales = new Map<string, Uint8Array[]>(); // of matrices that were written, theirs not yet
  const produce: Produce<QuantizedTensor> = (_, { role, source: entry }) => {
    if (role === "float16") return float16Pieces(entry);
    if (role === "scales") {
      const collected = scales.get(entry.name) ?? [];
      scales.delete(entry.name);
      return collected;
    }
    const collected: Uint8Array[] = [];
    scales.set(entry.name, collected);
    return quantizedPieces(source, entry, kind, collected);
  };
  const { bytes, sha256 = "" } = await writeSafetensorsStream(path, quantizedTensors(source, kind), produce, {
    metadata: new Map([["format", "pt"]]),
    checksum: true,
    order: "given",
  });
  return { bytes, sha256 };
}

/**
 * Of a weight in several parts all but the first wait until it is written: some hundred megabytes at full size.
 * @param scales filled on the way.
 */
async function* quantizedPieces(
  table: WeightTable,
  entry: WeightEntry,
  kind: QuantizedKind,
  scales: Uint8Array[],
): AsyncIterable<Uint8Array> {
  const { quantize, shapes, fillRows, arrange = (_, floats) => [floats] } = quantizedLayouts[kind];
  const { name, shape } = entry;
  const [rows = 0, ...columns] = shape;
  const rowsAtOnce = Math.max(1, Math.floor(PIECE / elementCount(columns)));
  const later: ReturnType<typeof quantize>[][] = [];
  for (let row = 0; row < rows; row += rowsAtOnce) {
    const count = Math.min(rowsAtOnce, rows - row);
    const parts = arrange(name, await readRows(table, entry, row, count), shape).map((part) => quantize(part, count));
    for (const [index, part] of parts.entries()) if (index > 0) (later[index] ??= []).push(part);
    const [first] = parts;
    if (!first) continue;
    scales.push(first.scales);
    yield first.data;
  }
  const [, blocks = 0] = shapes(name, shape).weight.shape;
  const zeros = fillRows?.(shape) ?? 0;
  const fill = zeros > 0 ? [quantize(new Float32Array(zeros * blocks * BLOCK), zeros)] : [];
  for (const part of [fill, ...later.slice(1).map((pieces) => [...pieces, ...fill])].flat()) {
    scales.push(part.scales);
    yield part.data;
  }
}

async function* float16Pieces(entry: WeightEntry): AsyncIterable<Uint8Array> {
  const count = elementCount(entry.shape);
  for (let at = 0; at < count; at += PIECE) {
    const halves = float32ToFloat16(await readFloats(entry, at, Math.min(PIECE, count - at)));
    yield new Uint8Array(halves.buffer);
  }
}
