/**
 * @module onnx/lower/compute-type
 * Networks computed in float16 on devices that are faster at it. Inputs and outputs stay float32, and so does all that
 * comes before the first layer with weights: sines of a timestep near 1000 would be noise in float16. From there on it is
 * float16; where both meet, float16 wins, as it does in the reference.
 */

import type { Value } from "../graph.ts";
import * as ops from "../ops.ts";
import { inBlocks, unpackBlocks } from "./block-weights.ts";
import type { Rewrite, UnpackWeight } from "./rewriting.ts";
import { type ComputeType, castTo, castWeight, inputsOf } from "./decompositions.ts";
import { once } from "./shared-constants.ts";

/** The rewrites, each given all its floating-point inputs in `type`. @param cast how a value gets another type. */
export function computedIn(
  type: ComputeType,
  rewrites: Readonly<Record<string, Rewrite>>,
  cast: typeof castTo = castTo,
): Record<string, Rewrite> {
  return Object.fromEntries(Object.entries(rewrites).map(([op, rewrite]) => [op, inType(type, rewrite, cast)]));
}

/** One cast for all that take a value in a type; of a constant, made as weights are: before all else. */
export const castOnce: typeof castTo = (g, value, to) => {
  if (value.dtype === to) return value;
  const isConstant = g.isConstant(value) && value.dtype === "float32";
  return once(g, `${value.name} in ${to}`, () => (isConstant ? castWeight(g, value, to) : castTo(g, value, to)));
};

export const inType =
  (type: ComputeType, rewrite: Rewrite, cast: typeof castTo = castTo): Rewrite =>
  (context, node) => {
    const lowered = (value: Value): Value => cast(context.g, context.lowered(value), type);
    const rows: typeof context.rows = (value, kind) => cast(context.g, context.rows(value, kind), type);
    return rewrite({ ...context, lowered, rows }, node);
  };

/** For operations without weights and several inputs: those of one type stay as they are, of two become float16. */
const inOneType: Rewrite = (context, node) => {
  const inputs = inputsOf(context, node);
  const isMixed = inputs.some((value) => value?.dtype === "float16");
  const matched = isMixed ? inputs.map((value) => value && castTo(context.g, value, "float16")) : inputs;
  return context.g.op(node.op, matched, node.attributes);
};

export const mixedTypes: Readonly<Record<string, Rewrite>> = {
  Add: inOneType,
  Sub: inOneType,
  Mul: inOneType,
  Div: inOneType,
  Concat: inOneType,
  MatMul: inOneType,
};

/** What was computed in float16 is not cast to the network's own type. */
export const keepFloat16: Rewrite = (context, node) => {
  const [x] = inputsOf(context, node);
  return x?.dtype === "float16" ? x : context.g.op(node.op, [x ?? null], node.attributes);
};

/** A stored weight -> `type`, by nodes that run just before it is used. */
export const unpackTo =
  (type: ComputeType): UnpackWeight =>
  (g, bound, shape) => {
    const { value, weight } = bound;
    if (inBlocks(bound)) return unpackBlocks(g, bound, shape, type);
    if (!weight.rowScales) return castWeight(g, value, type);
    const scales = g.constant(weight.rowScales, [weight.rowScales.length]);
    return castWeight(g, g.weightOp("DequantizeLinear", [value, scales], { axis: ops.int(0) }), type);
  };
