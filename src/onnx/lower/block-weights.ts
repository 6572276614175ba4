/**
 * @module onnx/lower/block-weights
 * Weights in blocks of 32 with one scale each, as weights/quantize-blocks and weights/unet-blocks lay them: multiplied by
 * MatMulNBits as they lie, or unpacked for what cannot be.
 *
 * Letters: R rows of the matrix, N blocks of a row, O, C, h, w of a kernel.
 */

import { CheckpointError } from "../../errors.ts";
import type { GraphBuilder, Value } from "../graph.ts";
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
  const own = { ...weight, ...part, ...(blockScales ? { blockScales: rowsOf(blockScales, from, to) } : {}) };
  return bindWeight(g, own, part.name);
}

/** Weights that lie one after the other in their file, as one of all their rows. */
export function bindConcatenated(g: GraphBuilder, weights: readonly BlocksWeight[]): BoundWeight {
  const [first] = weights;
  if (!first) throw new Error("no weights to take together");
  const own = { ...first, ...together(weights), blockScales: together(weights.map(({ blockScales }) => blockScales)) };
  return bindWeight(g, own, own.name);
}

function together(tensors: readonly StoredTensor[]): StoredTensor {
  const [first] = tensors;
  if (!first) throw new Error("no tensors to take together");
  const sum = (of: (tensor: StoredTensor) => number): number =>
    tensors.reduce((total, tensor) => total + of(tensor), 0);
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
export function unpackBlocks(
  g: GraphBuilder,
  { value, scales }: BlockWeight,
  shape: readonly number[],
  type: ComputeType,
): Value {
  const [rows = 0, blocks = 0, bytes = 0] = value.shape;
  if (bytes !== BLOCK) {
    throw new CheckpointError(
      "4-bit weights are only multiplied on the processor, not by this execution provider; ask for --text-encoder-bits 8.",
    );
  }
  const weightOp = (op: string, x: Value, attributes: Parameters<GraphBuilder["weightOp"]>[2]): Value =>
    g.weightOp(op, [x], attributes);
  const inRows = (x: Value, to: readonly number[]): Value => weightOp("Reshape", x, { shape: ops.ints(to) });
  const count = rows * blocks;
  const factors = inRows(scales, [count]);
  const zeros = g.weightOp("Expand", [g.constant(Uint8Array.of(ZERO_POINT), [1])], { shape: ops.ints([count]) });
  const factorsInType = factors.dtype === type ? factors : weightOp("Cast", factors, { to: ops.text(type) });
  const numbers = g.weightOp("DequantizeLinear", [inRows(value, [count, BLOCK]), factorsInType, zeros], {
    axis: ops.int(0),
  });
  const matrix = inRows(numbers, [rows, -1]); // (R, columns)
  const [outputs = 0, channels = 0, height, width = 1] = shape;
  if (height === undefined) return inRows(matrix, shape);
  const transposed = (x: Value, perm: readonly number[]): Value => weightOp("Transpose", x, { perm: ops.ints(perm) });
  const wanted = (x: Value): Value => withoutFill(g, x, outputs);
  if (matrix.shape[1] === channels) {
    const places = wanted(inRows(matrix, [height * width, -1, channels])); // (h·w, O, C)
    return inRows(transposed(places, [1, 2, 0]), shape);
  }
  const beside = wanted(inRows(matrix, [height, rows / height, -1])); // (h, O, w·C), the columns as (C/4, w, 4)
  const inFours = inRows(beside, [height, outputs, channels / 4, width, 4]);
  return inRows(transposed(inFours, [1, 2, 4, 0, 3]), shape);
}

/** Of the rows in the second axis, the first ones: zeros were added. */
const withoutFill = (g: GraphBuilder, x: Value, rows: number): Value =>
  x.shape[1] === rows ? x : g.weightOp("Slice", [x], { axis: ops.int(1), start: ops.int(0), end: ops.int(rows) });
