/**
 * @module onnx/lower/decompositions
 * Larger operations in the words that several devices share. Each computes in the type of its first input.
 */

import { ShapeError } from "../../errors.ts";
import { elementCount } from "../../math/tensor.ts";
import type { GraphBuilder, Node, Value } from "../graph.ts";
import * as ops from "../ops.ts";
import { floatOf, intOf, intsOf, textOf } from "../shapes.ts";
import type { Rewrite, Rewriting } from "./rewriting.ts";

export type ComputeType = "float32" | "float16";

export function inputsOf({ lowered }: Rewriting, node: Node): (Value | null)[] {
  return node.inputs.map((value) => value && lowered(value));
}

export function inputOf({ lowered }: Rewriting, node: Node, index: number): Value {
  const value = node.inputs[index];
  if (!value) throw new ShapeError(`${node.name}: input ${index} is missing`);
  return lowered(value);
}

/** @returns `value` itself where it is of that type already, or no floating-point number. */
export function castTo(g: GraphBuilder, value: Value, to: ComputeType): Value {
  return value.dtype === to || !isFloat(value) ? value : ops.cast(g, value, to);
}

/** The same of a weight, by a node that runs just before it is used (GraphBuilder.weightOp). */
export const castWeight = (g: GraphBuilder, weight: Value, to: ComputeType): Value =>
  weight.dtype === to ? weight : g.weightOp("Cast", [weight], { to: ops.text(to) });

const isFloat = ({ dtype }: Value): boolean => dtype === "float32" || dtype === "float16";

/** A float32 constant in the type of `like`. */
const constantLike = (g: GraphBuilder, like: Value, data: Float32Array, shape: readonly number[]): Value =>
  castTo(g, g.constant(data, shape), like.dtype === "float16" ? "float16" : "float32");

/** For what needs no other words, but its inputs in another type. */
export const unchanged: Rewrite = (context, node) => context.g.op(node.op, inputsOf(context, node), node.attributes);

/** x·weightᵀ with the checkpoint's [out, in] layout as it is: no transposed copy. */
export const linearAsGemm: Rewrite = (context, node) => {
  const { g } = context;
  const [x, weight, bias] = [inputOf(context, node, 0), inputOf(context, node, 1), node.inputs[2]];
  const rows = elementCount(x.shape.slice(0, -1));
  const flat = x.shape.length === 2 ? x : ops.reshape(g, x, [rows, x.shape.at(-1) ?? 0]);
  const product = g.op("Gemm", [flat, weight, bias ? context.lowered(bias) : null]);
  return x.shape.length === 2 ? product : ops.reshape(g, product, node.output.shape);
};

/** Only the rows asked for are unpacked: a float16 table of T5-XXL would take 526 MB in float32. */
export const embedding =
  (to: ComputeType): Rewrite =>
  (context, node) => {
    const { g } = context;
    const [table] = node.inputs;
    const ids = inputOf(context, node, 1);
    const stored = table ? context.stored(table) : undefined;
    if (!stored || stored.weight.rowScales || stored.weight.dtype === to) {
      return ops.gather(g, inputOf(context, node, 0), ids, 0);
    }
    return ops.cast(g, ops.gather(g, stored.value, ids, 0), to);
  };

/** InstanceNormalization over [batch, groups, rest], then weight and bias per channel. */
export const groupNorm: Rewrite = (context, node) => {
  const { g } = context;
  const [x, weight, bias] = [inputOf(context, node, 0), inputOf(context, node, 1), inputOf(context, node, 2)];
  const normal = normalizeGroups(g, x, intOf(node.attributes, "groups"), floatOf(node.attributes, "epsilon"));
  const perChannel = (v: Value): Value => ops.reshape(g, v, [...channelShape(v), ...x.shape.slice(2).map(() => 1)]);
  return ops.add(g, ops.mul(g, normal, perChannel(weight)), perChannel(bias));
};

/** x (B, ...), whose rest lies group by group: mean 0 and variance 1 within each group. */
export function normalizeGroups(g: GraphBuilder, x: Value, groups: number, epsilon: number): Value {
  const ones = constantLike(g, x, new Float32Array(groups).fill(1), [groups]);
  const none = constantLike(g, x, new Float32Array(groups), [groups]);
  const grouped = ops.reshape(g, x, [x.shape[0] ?? 0, groups, -1]);
  const normal = g.op("InstanceNormalization", [grouped, ones, none], { epsilon: ops.float(epsilon) });
  return ops.reshape(g, normal, x.shape);
}

const channelShape = (v: Value): readonly number[] => (v.shape.length === 2 ? v.shape : [1, ...v.shape]);

const lastAxisNorm =
  (op: string): Rewrite =>
  (context, node) =>
    context.g.op(op, inputsOf(context, node), {
      axis: ops.int(-1),
      epsilon: ops.float(floatOf(node.attributes, "epsilon")),
    });

export const layerNorm = lastAxisNorm("LayerNormalization");

/** ONNX's own, from opset 23 on. */
export const rmsNorm = lastAxisNorm("RMSNormalization");

/** onnxruntime's own of the same formula, which it has at any opset. */
export const simplifiedLayerNorm = lastAxisNorm("SimplifiedLayerNormalization");

/** x·σ(x) is QuickGelu with alpha 1: one pass. */
export const silu: Rewrite = (context, node) => quickGelu(context, node, 1);

export const gelu: Rewrite = (context, node) => {
  const approximate = textOf(node.attributes, "approximate");
  if (approximate === "quick") return quickGelu(context, node, 1.702);
  return context.g.op("Gelu", inputsOf(context, node), { approximate: ops.text(approximate) });
};

function quickGelu(context: Rewriting, node: Node, alpha: number): Value {
  return context.g.op("com.microsoft.QuickGelu", inputsOf(context, node), { alpha: ops.float(alpha) });
}

export const repeatBatch: Rewrite = (context, node) => {
  const x = inputOf(context, node, 0);
  return ops.concat(
    context.g,
    Array.from({ length: intOf(node.attributes, "times") }, () => x),
    0,
  );
};

export const upsampleNearest: Rewrite = (context, node) =>
  context.g.op("Resize", inputsOf(context, node), { size: ops.ints(intsOf(node.attributes, "size")) });

export const attention: Rewrite = (context, node) => {
  const [q = null, k = null, v = null, bias = null] = inputsOf(context, node);
  return context.g.op("com.microsoft.MultiHeadAttention", [q, k, v, null, null, bias], {
    num_heads: ops.int(intOf(node.attributes, "heads")),
    scale: ops.float(floatOf(node.attributes, "scale")),
  });
};
