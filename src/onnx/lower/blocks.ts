/**
 * @module onnx/lower/blocks
 * Weights in blocks of 32 with one scale each, as weights/quantize-blocks and weights/unet-blocks lay them: multiplied by
 * MatMulNBits as they lie, or unpacked for what cannot be.
 *
 * Letters: R rows of the matrix, N blocks of a row, O, C, h, w of a kernel.
 */

import { CheckpointError } from "../../errors.ts";
import type { GraphBuilder, Value } from "../graph.ts";
import * as ops from "../ops.ts";
import { type BoundWeight, type StoredTensor, type StoredWeight, bindWeight } from "./lowering.ts";
import { type ComputeType, castTo } from "./spellings.ts";

const BLOCK = 32;
/** What stands for 0 in 8 bits. */
const ZERO_POINT = 128;

/** A weight whose blocks were found. */
export interface BlockWeight extends BoundWeight {
  readonly scales: Value;
}

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
  const [outputs = 0, channels = 0, height = 1, width = 1] = shape;
  const whole = height * outputs === rows ? numbers : withoutFill(g, inRows(numbers, [rows, -1]), height * outputs);
  if (height * width === 1) return inRows(whole, shape);
  const kernel = inRows(whole, [height, outputs, width, channels]);
  return weightOp("Transpose", kernel, { perm: ops.ints([1, 3, 0, 2]) }); // (O, C, h, w)
}

/** A kernel's rows are filled up with zeros. */
const withoutFill = (g: GraphBuilder, numbers: Value, rows: number): Value =>
  g.weightOp("Slice", [numbers], { axis: ops.int(0), start: ops.int(0), end: ops.int(rows) });
