/**
 * @module weights/quantized-layout
 * The ways in which weights are kept in fewer bits, each as a file layout: what becomes of which tensor.
 *
 * T5 in 8 bits:   int8 rows, `X.weight` (rows, columns), with their float32 maxima in `X.SCB` (rows): the published layout,
 *                 but of every matrix.
 * T5 in 4 bits:   block-wise quantization, 32 weights to a block: `X.weight` (rows, blocks, 16), with float16 scales in
 *                 `X.block_scales` (rows, blocks).
 * UNets in 8 bits ("unet"): block-wise likewise, `X.weight` (rows, blocks, 32) with scales as above; which weights, and
 *                 what rows a convolution has: weights/unet-blocks.
 * What is not quantised becomes float16.
 */

import { CheckpointError } from "../errors.ts";
import type { WeightEntry, WeightTable } from "./checkpoint.ts";
import { blockScalesName, blockShapes, quantizeBlocks } from "./quantize-blocks.ts";
import { quantizeRows } from "./quantize.ts";
import type { TensorLayout } from "./safetensors-stream.ts";
import { blockMatrix, fillRows, isBlocked, kernelParts } from "./unet-blocks.ts";
import type { Variant } from "./variants.ts";

/** T5's, in so many bits. */
export type QuantizedBits = 8 | 4;

/** A network and the bits of its weights. */
export type QuantizedKind = QuantizedBits | "unet";

export interface QuantizedLayout {
  readonly file: string;
  /** How that file is opened: one without a suffix is "fp32", whatever it holds. */
  readonly variant: Variant;
  /** `X.weight` -> the name of what scales it. */
  readonly scalesName: (weight: string) => string;
  readonly shapes: (
    name: string,
    shape: readonly number[],
  ) => { readonly weight: TensorLayout; readonly scales: TensorLayout };
  /** Whole rows -> the bytes of both. @throws {CheckpointError} a weight is not finite. */
  readonly quantize: (weights: Float32Array, rows: number) => { data: Uint8Array; scales: Uint8Array };
  /** Is this tensor taken at all, and is it quantised? */
  readonly takes: (name: string, source: WeightTable) => boolean;
  readonly isQuantized: (name: string, shape: readonly number[]) => boolean;
  /** A weight's rows -> those of its parts, which follow each other in the file; one part, as they are, if absent. */
  readonly arrange?: (name: string, rows: Float32Array, shape: readonly number[]) => Float32Array[];
  /** How many rows of zeros follow each part; none if absent. */
  readonly fillRows?: (shape: readonly number[]) => number;
  /** Weights of one such name lie one after the other, and so do their scales; each by itself if absent. */
  readonly together?: (name: string) => string;
  /** Whose weights these are, for errors. */
  readonly network: string;
}

/** Are these a layer's weights, which are quantised? Embeddings, norms and position biases are not. */
export const isQuantized = (name: string, shape: readonly number[]): boolean =>
  shape.length === 2 && /\.(SelfAttention\.[qkvo]|DenseReluDense\.w[io](_[01])?)\.weight$/.test(name);

/** Without a decoder's weights, what scales int8 rows, and one of the two names of the embedding. */
const isOfEncoder = (name: string, { tensors }: WeightTable): boolean =>
  name === "shared.weight" ||
  (name.startsWith("encoder.") &&
    !/\.(SCB|weight_format)$/.test(name) &&
    !(name === "encoder.embed_tokens.weight" && tensors.has("shared.weight")));

const t5 = { takes: isOfEncoder, isQuantized, network: "a T5 encoder" };

export const quantizedLayouts: Readonly<Record<QuantizedKind, QuantizedLayout>> = {
  8: {
    ...t5,
    file: "model.8bit.safetensors",
    variant: "8bit",
    scalesName: (weight) => weight.replace(/weight$/, "SCB"),
    shapes: (_, shape) => ({ weight: { dtype: "I8", shape }, scales: { dtype: "F32", shape: shape.slice(0, 1) } }),
    quantize: (weights, rows) => {
      const { data, scales } = quantizeRows(weights, rows);
      return { data: bytesOf(data), scales: bytesOf(scales.map((scale) => scale * 127)) };
    },
  },
  4: {
    ...t5,
    file: "model.safetensors",
    variant: "fp32",
    scalesName: blockScalesName,
    shapes: (_, shape) => {
      const { data, scales } = blockShapes(shape);
      return { weight: { dtype: "U8", shape: data }, scales: { dtype: "F16", shape: scales } };
    },
    quantize: (weights, rows) => {
      const { data, scales } = quantizeBlocks(weights, rows);
      return { data, scales: bytesOf(scales) };
    },
  },
  unet: {
    file: "diffusion_pytorch_model.fp16.safetensors",
    variant: "fp16",
    scalesName: blockScalesName,
    shapes: (name, shape) => {
      const { data, scales } = blockShapes(blockMatrix(name, shape), 8);
      return { weight: { dtype: "U8", shape: data }, scales: { dtype: "F16", shape: scales } };
    },
    quantize: (weights, rows) => {
      const { data, scales } = quantizeBlocks(weights, rows, 8);
      return { data, scales: bytesOf(scales) };
    },
    takes: () => true,
    isQuantized: isBlocked,
    arrange: kernelParts,
    fillRows,
    together: (name) => (/\btime_emb_proj\.weight$/.exec(name)?.[0] ?? name).replace(/\bto_[qkv]\./, "to_qkv."), // one product
    network: "a UNet",
  },
};

/** A tensor of the quantised file, and which of the source's it is made of. */
export interface QuantizedTensor extends TensorLayout {
  readonly source: WeightEntry;
  readonly role: "float16" | "weight" | "scales";
}

/**
 * The tensors in the order of the file: what stays float first, then each matrix (or those that lie together) followed by
 * its scales, which are known only after it.
 * @throws {CheckpointError} `source` holds none of the network's matrices.
 */
export function quantizedTensors(source: WeightTable, kind: QuantizedKind): Map<string, QuantizedTensor> {
  const { scalesName, shapes, takes, isQuantized: isMatrix, network, together } = quantizedLayouts[kind];
  const entries = [...source.tensors.values()].filter(({ name }) => takes(name, source));
  const matrices = new Set(entries.filter(({ name, shape }) => isMatrix(name, shape)));
  if (matrices.size === 0) throw new CheckpointError(`${source.folder} does not hold the weights of ${network}.`);
  const tensors = new Map<string, QuantizedTensor>();
  for (const entry of entries) {
    if (!matrices.has(entry)) {
      tensors.set(entry.name, { dtype: "F16", shape: entry.shape, source: entry, role: "float16" });
    }
  }
  const groups = new Map<string, WeightEntry[]>();
  for (const entry of matrices) {
    const name = together?.(entry.name) ?? entry.name;
    groups.set(name, [...(groups.get(name) ?? []), entry]);
  }
  for (const group of groups.values()) {
    for (const entry of group) {
      tensors.set(entry.name, { ...shapes(entry.name, entry.shape).weight, source: entry, role: "weight" });
    }
    for (const entry of group) {
      tensors.set(scalesName(entry.name), { ...shapes(entry.name, entry.shape).scales, source: entry, role: "scales" });
    }
  }
  return tensors;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Int8Array | Float32Array | Uint16Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
