/**
 * @module onnx/lower/cpu/linear
 * x·weightᵀ on the CPU, by the way the weight is stored and what the layer was asked to compute in:
 *
 * - 4-bit blocks: MatMulNBits, which unpacks one matrix at a time to float32 and computes in float32.
 * - int8 rows and `activationBits`: x is made 8-bit too, each token with a scale of its own, and the products are summed in
 *   int32: faster than unpacking the weights, at a loss. Where x86 has no VNNI, onnxruntime adds two products in 16 bits and
 *   cuts off what does not fit: a small network's embeddings fell to a cosine of 0.87. With 7 bits all fits
 *   (2 · 127 · 127 < 2¹⁵).
 * - anything else, 8-bit blocks too (MatMulNBits is three times as slow as Gemm there): unpacked to float32, then Gemm.
 */

import { elementCount } from "../../../math/tensor.ts";
import type { GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { intOf } from "../../shapes.ts";
import { type BlockWeight, inBlocks, multiplyBlocks } from "../block-weights.ts";
import type { Rewrite, Rewriting, StoredWeight } from "../rewriting.ts";
import { inputOf, linearAsGemm } from "../decompositions.ts";

export const linear: Rewrite = (context, node) => {
  const [, parameter] = node.inputs;
  const stored = parameter ? context.stored(parameter) : undefined;
  if (inBlocks(stored) && is4Bit(stored)) {
    return withBias(context, node, multiplyBlocks(context.g, inputOf(context, node, 0), stored, null));
  }
  if (stored?.weight.rowScales && node.attributes["activationBits"]) {
    return withBias(context, node, linearOfInt8(context, node, stored.value, stored.weight.rowScales));
  }
  return linearAsGemm(context, node);
};

function withBias({ g, lowered }: Rewriting, node: Node, product: Value): Value {
  const bias = node.inputs[2];
  return bias ? ops.add(g, product, lowered(bias)) : product;
}

/** Two weights a byte. */
const is4Bit = ({ value }: BlockWeight): boolean => value.shape[2] === 16;

/** How many steps an activation has on either side of 0, and the number that stands for 0. */
const stepsOf = (bits: number): { top: number; zero: number } => ({ top: 2 ** (bits - 1) - 1, zero: 2 ** (bits - 1) });
/** Keeps a token of zeros from being divided by 0; nothing to any other. */
const TINY = 1e-30;

function linearOfInt8(
  context: Rewriting,
  node: Node,
  weight: Value,
  rowScales: NonNullable<StoredWeight["rowScales"]>,
): Value {
  const { g } = context;
  const x = inputOf(context, node, 0);
  const tokens = elementCount(x.shape.slice(0, -1));
  const flat = x.shape.length === 2 ? x : ops.reshape(g, x, [tokens, x.shape.at(-1) ?? 0]); // (T, I)
  const { top, zero } = stepsOf(intOf(node.attributes, "activationBits"));
  const { steps, scales } = quantizeTokens(g, flat, top, zero);
  const transposed = g.weightOp("Transpose", [weight], { perm: ops.ints([1, 0]) }); // (I, O)
  const sums = g.op("MatMulInteger", [steps, transposed, g.constant(Uint8Array.of(zero), [])]); // (T, O) int32
  const byToken = ops.mul(g, ops.cast(g, sums, "float32"), ops.reshape(g, scales, [tokens, 1]));
  const product = ops.mul(g, byToken, g.constant(rowScales, [rowScales.length]));
  return x.shape.length === 2 ? product : ops.reshape(g, product, node.output.shape);
}

/** x (T, I) -> steps (T, I) uint8 and scales (T): x is about (steps - zero) · scale. */
function quantizeTokens(g: GraphBuilder, x: Value, top: number, zero: number): { steps: Value; scales: Value } {
  const tokens = x.shape[0] ?? 0;
  const largest = g.op("ReduceMax", [g.op("Abs", [x])]); // (T)
  const scales = ops.add(g, ops.scale(g, largest, 1 / top), g.scalar(TINY));
  const zeroPoints = g.constant(new Uint8Array(tokens).fill(zero), [tokens]);
  return { steps: g.op("QuantizeLinear", [x, scales, zeroPoints], { axis: ops.int(0) }), scales };
}
