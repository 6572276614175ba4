/**
 * @module onnx/lower/cpu/cpu
 * The CPU provider. Everything is computed in float32; weights stay in the file in their own type and are unpacked one
 * at a time by a node of their own.
 *
 * Choices, each measured against its alternatives: Gemm(transB=1) multiplies with the checkpoint's [out, in] layout
 * without a transposed copy; group norm as InstanceNormalization over [batch, groups, rest]; SiLU as QuickGelu with
 * alpha 1 (the same function, one pass); MultiHeadAttention, which never stores the whole attention matrix as long as
 * there is no bias.
 */

import type { GraphBuilder, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { inBlocks, unpackBlocks } from "../block-weights.ts";
import { linear } from "./linear.ts";
import type { Lowering } from "../lower.ts";
import type { BoundWeight } from "../rewriting.ts";
import * as decompose from "../decompositions.ts";

export const cpu: Lowering = {
  name: "cpu",
  opset: 23,
  unpackWeight,
  rewrites: {
    Linear: linear,
    Embedding: decompose.embedding("float32"),
    GroupNorm: decompose.groupNorm,
    LayerNorm: decompose.layerNorm,
    RmsNorm: decompose.rmsNorm,
    Silu: decompose.silu,
    Gelu: decompose.gelu,
    RepeatBatch: decompose.repeatBatch,
    UpsampleNearest: decompose.upsampleNearest,
    Attention: decompose.attention,
  },
};

function unpackWeight(g: GraphBuilder, bound: BoundWeight, shape: readonly number[]): Value {
  const { value, weight } = bound;
  if (inBlocks(bound)) return unpackBlocks(g, bound, shape, "float32");
  if (weight.dtype === "float32") return value;
  if (weight.rowScales) {
    const scales = g.constant(weight.rowScales, [weight.rowScales.length]);
    return g.weightOp("DequantizeLinear", [value, scales], { axis: ops.int(0) });
  }
  return g.weightOp("Cast", [value], { to: ops.text("float32") });
}
