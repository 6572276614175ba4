/**
 * @module onnx/ops
 * The networks' vocabulary: one typed function per operation, `op(g, inputs, static arguments)`.
 *
 * Letters: B batch, C channels, L and S sequence lengths, H and W sides, I and O features in and out.
 * Those marked "larger" are not ONNX operations: onnx/lower/* decomposes them as the device runs them fastest.
 */

import type { Attribute, GraphBuilder, Value } from "./graph.ts";

export const int = (value: number): Attribute => ({ kind: "int", value });
export const float = (value: number): Attribute => ({ kind: "float", value });
export const ints = (value: readonly number[]): Attribute => ({ kind: "ints", value });
export const text = (value: string): Attribute => ({ kind: "string", value });

// Element by element, shapes broadcast as in NumPy.

export const add = (g: GraphBuilder, a: Value, b: Value): Value => g.op("Add", [a, b]);
export const sub = (g: GraphBuilder, a: Value, b: Value): Value => g.op("Sub", [a, b]);
export const mul = (g: GraphBuilder, a: Value, b: Value): Value => g.op("Mul", [a, b]);
export const div = (g: GraphBuilder, a: Value, b: Value): Value => g.op("Div", [a, b]);
export const sqrt = (g: GraphBuilder, x: Value): Value => g.op("Sqrt", [x]);
export const sin = (g: GraphBuilder, x: Value): Value => g.op("Sin", [x]);
export const cos = (g: GraphBuilder, x: Value): Value => g.op("Cos", [x]);
export const tanh = (g: GraphBuilder, x: Value): Value => g.op("Tanh", [x]);
export const sigmoid = (g: GraphBuilder, x: Value): Value => g.op("Sigmoid", [x]);

/** Over the last axis, which stays: (..., N) -> (..., 1). */
export const mean = (g: GraphBuilder, x: Value): Value => g.op("ReduceMean", [x]);

/** x · number. */
export const scale = (g: GraphBuilder, x: Value, factor: number): Value =>
  factor === 1 ? x : mul(g, x, g.scalar(factor));

/** x · σ(x). Larger. */
export const silu = (g: GraphBuilder, x: Value): Value => g.op("Silu", [x]);

/** x where it is positive, else slope · x. */
export const leakyRelu = (g: GraphBuilder, x: Value, slope: number): Value =>
  g.op("LeakyRelu", [x], { alpha: float(slope) });

/** GELU: `none` by erf, `tanh` T5's gelu_new, `quick` x · σ(1.702 x). Larger. */
export const gelu = (g: GraphBuilder, x: Value, approximate: "none" | "tanh" | "quick" = "none"): Value =>
  g.op("Gelu", [x], { approximate: text(approximate) });

// Shape.

/** One side may be -1: what is left. */
export const reshape = (g: GraphBuilder, x: Value, shape: readonly number[]): Value =>
  g.op("Reshape", [x], { shape: ints(shape) });
export const transpose = (g: GraphBuilder, x: Value, perm: readonly number[]): Value =>
  g.op("Transpose", [x], { perm: ints(perm) });
export const concat = (g: GraphBuilder, parts: readonly Value[], axis: number): Value =>
  g.op("Concat", parts, { axis: int(axis) });
/** x[..., start:end, ...] along `axis`; negative numbers are not accepted. */
export const slice = (g: GraphBuilder, x: Value, axis: number, start: number, end: number): Value =>
  g.op("Slice", [x], { axis: int(axis), start: int(start), end: int(end) });
/** All of x, piece by piece along `axis`. Written as one operation that gives all of them (onnx/encode). */
export function parts(g: GraphBuilder, x: Value, axis: number, sizes: readonly number[]): Value[] {
  let end = 0;
  return sizes.map((size) => g.op("Part", [x], { axis: int(axis), start: int(end), end: int((end += size)) }));
}
export const expand = (g: GraphBuilder, x: Value, shape: readonly number[]): Value =>
  g.op("Expand", [x], { shape: ints(shape) });
/** (B, ...) -> (times·B, ...): all samples, and all of them again. Larger. */
export const repeatBatch = (g: GraphBuilder, x: Value, times: number): Value =>
  times === 1 ? x : g.op("RepeatBatch", [x], { times: int(times) });
/** Rows of `table` (N, D) by `ids` (any shape, int64) -> (..., D). Larger: a float16 table is read row by row. */
export const embedding = (g: GraphBuilder, table: Value, ids: Value): Value => g.op("Embedding", [table, ids]);
/** x[indices] along `axis`; `indices` int64. */
export const gather = (g: GraphBuilder, x: Value, indices: Value, axis: number): Value =>
  g.op("Gather", [x, indices], { axis: int(axis) });

// Sums of products.

export const matMul = (g: GraphBuilder, a: Value, b: Value): Value => g.op("MatMul", [a, b]);

/** x (..., I) · weight (O, I)ᵀ + bias (O) -> (..., O). Larger. */
export const linear = (g: GraphBuilder, x: Value, weight: Value, bias: Value | null): Value =>
  g.op("Linear", [x, weight, bias]);

/** x (B, C, H, W) * weight (O, C, k, k) + bias (O); `padding` as [top, left, bottom, right] or one number for all. */
export function conv2d(
  g: GraphBuilder,
  x: Value,
  weight: Value,
  bias: Value | null,
  { stride = 1, padding = 0 }: { stride?: number; padding?: number | readonly [number, number, number, number] } = {},
): Value {
  const pads = typeof padding === "number" ? [padding, padding, padding, padding] : padding;
  return g.op("Conv", [x, weight, bias], { strides: ints([stride, stride]), pads: ints(pads) });
}

/** Mean over 2x2 windows: (B, C, H, W) -> (B, C, ⌊H/2⌋, ⌊W/2⌋). */
export const averagePool2x = (g: GraphBuilder, x: Value): Value =>
  g.op("AveragePool", [x], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });

/** Nearest neighbour as torch's interpolate(mode="nearest"): (B, C, h, w) -> (B, C, height, width). Larger. */
export const upsampleNearest = (g: GraphBuilder, x: Value, height: number, width: number): Value =>
  g.op("UpsampleNearest", [x], { size: ints([height, width]) });

// Normalisation and attention.

/**
 * Group normalisation: x (B, C, ...) in `groups` runs of channels, then times `weight` plus `bias`, each (C) or,
 * one row per sample, (B, C). Larger. Wu & He 2018 (arXiv 1803.08494).
 */
export const groupNorm = (
  g: GraphBuilder,
  x: Value,
  weight: Value,
  bias: Value,
  options: { groups: number; epsilon: number },
): Value => g.op("GroupNorm", [x, weight, bias], { groups: int(options.groups), epsilon: float(options.epsilon) });

/** Layer normalisation over the last axis, with weight and bias (D). */
export const layerNorm = (g: GraphBuilder, x: Value, weight: Value, bias: Value, epsilon: number): Value =>
  g.op("LayerNorm", [x, weight, bias], { epsilon: float(epsilon) });

/** x / √(mean(x²) + ε) · weight over the last axis: no mean is taken off, there is no bias. Larger. */
export const rmsNorm = (g: GraphBuilder, x: Value, weight: Value, epsilon: number): Value =>
  g.op("RmsNorm", [x, weight], { epsilon: float(epsilon) });

export const softmax = (g: GraphBuilder, x: Value, axis = -1): Value => g.op("Softmax", [x], { axis: int(axis) });

/**
 * softmax(q·kᵀ·scale + bias)·v in `heads` heads that lie side by side in the last axis. Larger.
 * q (B, L, heads·D), k (B, S, heads·D), v (B, S, heads·Dv), bias broadcastable to (B, heads, L, S) -> (B, L, heads·Dv).
 */
export const attention = (
  g: GraphBuilder,
  q: Value,
  k: Value,
  v: Value,
  options: { heads: number; scale: number; bias?: Value },
): Value =>
  g.op("Attention", [q, k, v, options.bias ?? null], { heads: int(options.heads), scale: float(options.scale) });

export const cast = (g: GraphBuilder, x: Value, to: "float32" | "float16" | "int64" | "int32" | "uint8"): Value =>
  g.op("Cast", [x], { to: text(to) });
