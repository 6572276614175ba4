/**
 * @module onnx/lower/block-weights
 * Block-wise quantized weights, 32 to a block with one scale, as weights/quantize-blocks and weights/unet-blocks lay them:
 * multiplied by MatMulNBits as they lie, or unpacked for what cannot be.
 *
 * Letters: R rows of the matrix, N blocks of a row, O, C, h, w of a kernel.
 */

import { CheckpointError } from "../../errors.ts";
import type { Attributes, GraphBuilder, Value } from "../graph.ts";
import * as ops from "../ops.ts";
import { bindWeight } from "./decompose.ts";
import type { BoundWeight, StoredTensor, StoredWeight } from "./rewriting.ts";
import { type ComputeType, castTo } from "./decompositions.ts";

const BLOCK = 32;
/** What stands for 0 in 8 bits. */
const ZERO_POINT = 128;

/** A weight whose blocks were found. */
export interface BlockWeight extends BoundWeight {
  readonly scales: Value;
}

/** The same, as it is stored. */
export type BlocksWeight = StoredWeight & Required<Pick<StoredWeight, "blockScales">>;

export const isInBlocks = (weight: StoredWeight | undefined): weight is BlocksWeight =>
  weight?.blockScales !== undefined;

export const inBlocks = (bound: BoundWeight | undefined): bound is BlockWeight => bound?.scales !== undefined;

/**
 * @param x     (..., K), K not more than the blocks of a row hold.
 * @param bias  (R), or null.
 * @returns x·weightᵀ + bias in the type of x, (..., R).
 */
export function multiplyBlocks(g: GraphBuilder, x: Value, { value, scales }: BlockWeight, bias: Value | null): Value {
  const [rows = 0, , bytes = 0] = value.shape;
  const type = x.dtype as ComputeType;
  const factors = scales.dtype === type ? scales : g.weightOp("Cast", [scales], { to: ops.text(type) });
  const inputs = [x, value, factors, ...(bias ? [null, null, castTo(g, bias, type)] : [])];
  return g.op("com.microsoft.MatMulNBits", inputs, {
    N: ops.int(rows),
    K: ops.int(x.shape.at(-1) ?? 0),
    bits: ops.int((8 * bytes) / BLOCK),
    block_size: ops.int(BLOCK),
  });
}

/** Rows `from` to `to` of a weight, in the lowered graph as a weight of its own. */
export function bindRows(g: GraphBuilder, weight: StoredWeight, from: number, to: number): BoundWeight {
  const { blockScales } = weight;
  const part = rowsOf(weight, from, to);
  const rows = { ...weight, ...part, ...(blockScales ? { blockScales: rowsOf(blockScales, from, to) } : {}) };
  return bindWeight(g, rows, part.name);
}

/** A weight in another shape of as many numbers, in the lowered graph as a weight of its own. */
export function bindShaped(g: GraphBuilder, weight: StoredWeight, shape: readonly number[]): BoundWeight {
  return bindWeight(g, { ...weight, shape }, `${weight.name} as ${shape.join("x")}`);
}

/** Weights that lie one after the other in their file, as one of all their rows. */
export function bindConcatenated(g: GraphBuilder, weights: readonly BlocksWeight[]): BoundWeight {
  const [first] = weights;
  if (!first) throw new Error("no weights to take together");
  const joined = {
    ...first,
    ...together(weights),
    blockScales: together(weights.map(({ blockScales }) => blockScales)),
  };
  return bindWeight(g, joined, joined.name);
}

function together(tensors: readonly StoredTensor[]): StoredTensor {
  const [first] = tensors;
  if (!first) throw new Error("no tensors to take together");
  const sum = (count: (tensor: StoredTensor) => number): number =>
    tensors.reduce((total, tensor) => total + count(tensor), 0);
  return {
    ...first,
    name: tensors.map(({ name }) => name).join(" + "),
    shape: [sum(({ shape }) => shape[0] ?? 0), ...first.shape.slice(1)],
    byteLength: sum(({ byteLength }) => byteLength),
  };
}

/** Does `next` begin where `tensor` ends, with rows of the same length? */
export const isFollowedBy = (tensor: StoredTensor, next: StoredTensor): boolean =>
  tensor.file === next.file &&
  tensor.offset + tensor.byteLength === next.offset &&
  tensor.shape.slice(1).join() === next.shape.slice(1).join();

function rowsOf(tensor: StoredTensor, from: number, to: number): StoredTensor {
  const { name, shape, offset, byteLength } = tensor;
  const rowBytes = byteLength / (shape[0] ?? 1);
  return {
    ...tensor,
    name: `${name}[${from}:${to}]`,
    shape: [to - from, ...shape.slice(1)],
    offset: offset + from * rowBytes,
    byteLength: (to - from) * rowBytes,
  };
}

/**
 * 8-bit blocks -> a weight in the network's shape, by nodes that run just before it is used.
 * @throws {CheckpointError} the blocks are of 4 bits: no operation unpacks those.
 */
export function unpackBlocks(g: GraphBuilder, weight: BlockWeight, shape: readonly number[], type: ComputeType): Value {
  const matrix = unpackMatrix(g, weight, type); // (R, columns)
  if (shape.length === 2) return onWeight(g, "Reshape", matrix, { shape: ops.ints(shape) });
  const { taps, perms } = kernelTaps(g, matrix, shape);
  const turned = onWeight(g, "Transpose", taps, { perm: ops.ints(perms.channelsFirst) });
  return onWeight(g, "Reshape", turned, { shape: ops.ints(shape) });
}

/** The same for a kernel (O, C, h, w), with its channels last: (O, h, w, C). */
export function unpackKernelChannelsLast(
  g: GraphBuilder,
  weight: BlockWeight,
  shape: readonly number[],
  type: ComputeType,
): Value {
  const [outputs = 0, channels = 0, height = 1, width = 1] = shape;
  const { taps, perms } = kernelTaps(g, unpackMatrix(g, weight, type), shape);
  const turned = onWeight(g, "Transpose", taps, { perm: ops.ints(perms.channelsLast) });
  return onWeight(g, "Reshape", turned, { shape: ops.ints([outputs, height, width, channels]) });
}

/** The same as rows of kernel taps: (h·w·O, C). */
export function unpackKernelTaps(
  g: GraphBuilder,
  weight: BlockWeight,
  shape: readonly number[],
  type: ComputeType,
): Value {
  const { taps, perms } = kernelTaps(g, unpackMatrix(g, weight, type), shape);
  const turned = onWeight(g, "Transpose", taps, { perm: ops.ints(perms.tapsFirst) });
  return onWeight(g, "Reshape", turned, { shape: ops.ints([-1, shape[1] ?? 0]) });
}

const onWeight = (g: GraphBuilder, op: string, x: Value, attributes: Attributes): Value =>
  g.weightOp(op, [x], attributes);

/** (R, columns), each number its step times its block's scale. */
function unpackMatrix(g: GraphBuilder, { value, scales }: BlockWeight, type: ComputeType): Value {
  const [rows = 0, blocks = 0, bytes = 0] = value.shape;
  if (bytes !== BLOCK) {
    throw new CheckpointError(
      "4-bit weights are only multiplied on the CPU, not by this execution provider; ask for --text-encoder-bits 8.",
    );
  }
  const count = rows * blocks;
  const reshaped = (x: Value, to: readonly number[]): Value => onWeight(g, "Reshape", x, { shape: ops.ints(to) });
  const factors = reshaped(scales, [count]);
  const zeros = g.weightOp("Expand", [g.constant(Uint8Array.of(ZERO_POINT), [1])], { shape: ops.ints([count]) });
  const factorsInType = factors.dtype === type ? factors : onWeight(g, "Cast", factors, { to: ops.text(type) });
  const numbers = g.weightOp("DequantizeLinear", [reshaped(value, [count, BLOCK]), factorsInType, zeros], {
    axis: ops.int(0),
  });
  return reshaped(numbers, [rows, -1]);
}

/** A kernel's taps as they lie, and the permutations that make (O, C, h, w), (O, h, w, C) or (h, w, O, C) of them. */
function kernelTaps(
  g: GraphBuilder,
  matrix: Value,
  [outputs = 0, channels = 0, height = 1, width = 1]: readonly number[],
): { taps: Value; perms: Record<"channelsFirst" | "channelsLast" | "tapsFirst", readonly number[]> } {
  const [rows = 0, columns = 0] = matrix.shape;
  const reshaped = (x: Value, to: readonly number[]): Value => onWeight(g, "Reshape", x, { shape: ops.ints(to) });
  if (columns === channels) {
    const taps = withoutFill(g, reshaped(matrix, [height * width, -1, channels]), outputs); // (h·w, O, C)
    return { taps, perms: { channelsFirst: [1, 2, 0], channelsLast: [1, 0, 2], tapsFirst: [0, 1, 2] } };
  }
  const beside = withoutFill(g, reshaped(matrix, [height, rows / height, -1]), outputs); // (h, O, w·C)
  const taps = reshaped(beside, [height, outputs, channels / 4, width, 4]);
  return { taps, perms: { channelsFirst: [1, 2, 4, 0, 3], channelsLast: [1, 0, 3, 2, 4], tapsFirst: [0, 3, 1, 2, 4] } };
}

/** Of the rows in the second axis, the first ones: zeros were added. */
const withoutFill = (g: GraphBuilder, x: Value, rows: number): Value =>
  x.shape[1] === rows ? x : g.weightOp("Slice", [x], { axis: ops.int(1), start: ops.int(0), end: ops.int(rows) });
