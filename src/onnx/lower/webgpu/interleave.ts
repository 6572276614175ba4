/**
 * @module onnx/lower/webgpu/interleave
 * Two values beside each other on WebGPU, where they are large.
 */

import type { GraphBuilder, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { sharedConstant } from "../shared-constants.ts";
import type { ComputeType } from "../decompositions.ts";

/** From so many numbers on, two of one size are put beside each other by products and a sum: 0.78 of a Concat's time. */
const LARGE = 2 ** 25;

/**
 * Each (n, 1, c) -> (n, 2, c), the second's numbers behind the first's.
 * Concat moves one number at a time there, products with zeros and ones four.
 * @param large see LARGE.
 */
export function interleave(g: GraphBuilder, parts: readonly [Value, Value], large: number = LARGE): Value {
  const [count = 0, , width = 0] = parts[0].shape;
  if (2 * count * width < large || width % 4 !== 0) return ops.concat(g, parts, 1);
  const inner = width % INNER === 0 ? INNER : width;
  const [first, second] = parts.map((part, at) => {
    const ones = mask(g, [1, 2, 1, inner], at, part);
    return ops.mul(g, ops.reshape(g, part, [count, 1, -1, inner]), ones); // (n, 2, c / inner, inner)
  });
  return ops.reshape(g, ops.add(g, first!, second!), [count, 2, width]);
}

/** Keeps the constants small. */
const INNER = 256;

/** Zeros, and ones at index `at` of the second axis. */
const mask = (g: GraphBuilder, shape: readonly [number, number, number, number], at: number, like: Value): Value =>
  sharedConstant(g, `mask ${shape.join()} ${at}`, shape, like.dtype as ComputeType, (index) =>
    Math.floor(index / (shape[2] * shape[3])) === at ? 1 : 0,
  );
