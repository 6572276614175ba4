/**
 * @module onnx/lower/channels-last
 * Maps (B, C, ...) with their channels at the end and all else in one axis, (B·rest, C), for devices on which layers
 * between pixels' channels are fastest so. Two axes, whatever the network has: a card's copying kernels divide once per
 * axis and element.
 *
 * Each rewrite here takes a node's map as it lies: with channels last if one of its inputs was made so, else as the rewrite
 * that it is given would.
 */

import { elementCount } from "../../math/tensor.ts";
import type { GraphBuilder, Node, Value } from "../graph.ts";
import * as ops from "../ops.ts";
import { intOf, intsOf } from "../shapes.ts";
import type { Lowered, Rewrite, Rewriting } from "./lowering.ts";

/** (B, C, ...) -> (B·rest, C). */
export function channelsLast(g: GraphBuilder, value: Value): Value {
  const [batch = 0, channels = 0] = value.shape;
  const rest = ops.reshape(g, value, [batch, channels, -1]);
  return ops.reshape(g, ops.transpose(g, rest, [0, 2, 1]), [-1, channels]);
}

/** (B·rest, C) -> (B, C, ...), which is `shape`. */
export function channelsFirst(g: GraphBuilder, last: Value, shape: readonly number[]): Value {
  const [batch = 0, channels = 0, ...rest] = shape;
  if (rest.length === 2) return ops.transpose(g, ops.reshape(g, last, [batch, ...rest, channels]), [0, 3, 1, 2]);
  return ops.reshape(g, ops.transpose(g, ops.reshape(g, last, [batch, -1, channels]), [0, 2, 1]), shape);
}

/** Of a node's inputs, the maps that were made with their channels last. */
const lastInputs = ({ isLast }: Rewriting, node: Node): Value[] =>
  node.inputs.filter((value): value is Value => value !== null && isLast(value));

/** Of one input, each number by itself: the same operation, on the map as it lies. */
export const mapwise =
  (otherwise: Rewrite): Rewrite =>
  (context, node) => {
    if (lastInputs(context, node).length === 0) return otherwise(context, node);
    return asLast(otherwise({ ...context, lowered: context.last }, node));
  };

const asLast = (result: Lowered): Lowered => ("last" in result || "later" in result ? result : { last: result });

/** Of two inputs, number by number: two maps, or a map and what is the same for each of its pixels, or a number. */
export const pairwise =
  (otherwise: Rewrite): Rewrite =>
  (context, node) => {
    const { g } = context;
    const [map] = lastInputs(context, node);
    const fits = map && map.shape.join() === node.output.shape.join() && node.inputs.every(isSpread(map));
    if (!fits) return otherwise(context, node);
    const [batch = 0, channels = 0] = map.shape;
    const spread = node.inputs.some((value) => value?.shape.join() !== map.shape.join() && value?.shape.length !== 0);
    const asLies = (value: Value): Value => {
      if (value.shape.length === 0) return context.lowered(value);
      if (value.shape.join() !== map.shape.join()) {
        return ops.reshape(g, context.lowered(value), [value.shape[0] ?? 1, 1, channels]);
      }
      return spread ? ops.reshape(g, context.last(value), [batch, -1, channels]) : context.last(value);
    };
    const result = otherwise({ ...context, lowered: asLies }, node);
    if ("last" in result || "later" in result) return result;
    return { last: spread ? ops.reshape(g, result, [-1, channels]) : result };
  };

/** Is a value as large as the map, one number per channel (of each sample), or one number? */
const isSpread =
  ({ shape: map }: Value) =>
  (value: Value | null): boolean => {
    if (!value || value.shape.length === 0 || value.shape.join() === map.join()) return value !== null;
    const [batch, channels, ...rest] = value.shape;
    return (batch === 1 || batch === map[0]) && channels === map[1] && elementCount(rest) === 1;
  };

/** Along the channels: maps side by side. */
export const concatenated =
  (otherwise: Rewrite): Rewrite =>
  (context, node) => {
    const isMaps = intOf(node.attributes, "axis") === 1 && node.output.shape.length === 4;
    if (!isMaps || lastInputs(context, node).length === 0) return otherwise(context, node);
    return asLast(otherwise({ ...context, lowered: context.last }, node));
  };

/** (B, C, H, W) <-> (B, C, H·W) changes nothing where channels lie last. */
export const reshaped: Rewrite = (context, node) => {
  const [x] = node.inputs;
  const samePlace = x && x.shape.slice(0, 2).join() === node.output.shape.slice(0, 2).join();
  if (x && samePlace && node.output.shape.length > 2 && context.isLast(x)) return { last: context.last(x) };
  return context.g.op(node.op, [x ? context.lowered(x) : null], node.attributes);
};

/** (B, C, N) <-> (B, N, C): a map with channels last is tokens, and tokens are such a map. */
export const transposed: Rewrite = (context, node) => {
  const { g } = context;
  const [x] = node.inputs;
  if (!x || intsOf(node.attributes, "perm").join() !== "0,2,1") {
    return g.op(node.op, [x ? context.lowered(x) : null], node.attributes);
  }
  if (context.isLast(x)) return ops.reshape(g, context.last(x), node.output.shape);
  return { last: ops.reshape(g, context.lowered(x), [-1, x.shape[2] ?? 0]) };
};
