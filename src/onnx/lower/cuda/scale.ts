/**
 * @module onnx/lower/cuda/scale
 * Feature maps times one factor for each sample and channel, and one shift. onnxruntime's Mul spreads such factors at half of the
 * speed at which the GPU's memory reads and writes; a product with a matrix that has them on its diagonal is as fast as that. Numbers
 * are the same: each sum has one term that is not zero.
 *
 * Letters: B batch, H and W sides, C channels.
 */

import { elementCount } from "../../../math/tensor.ts";
import type { GraphBuilder, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { type ComputeType, castTo } from "../decompositions.ts";
import { sharedConstant } from "../shared-constants.ts";

/** More channels take the product longer than memory does. */
const MOST_CHANNELS = 640;

/**
 * Of fewer numbers starting operations is what takes the time. Of more the result, which Mul writes over x and a product does not, is
 * too much: IF-II-L took a GiB more with four images.
 */
const [FEWEST_NUMBERS, MOST_NUMBERS] = [2 ** 22, 2 ** 26];

/**
 * x (B, H, W, C) · factor + shift, both of C numbers, or of B·C, in any shape and type. By a product x is (B, H·W, C), and so it is
 * shifted: onnxruntime divides for each number and side where it spreads a value.
 */
export function scaledAndShifted(g: GraphBuilder, x: Value, factor: Value, shift: Value): Value {
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const numbers = elementCount(x.shape);
  const pays = numbers >= FEWEST_NUMBERS && numbers <= MOST_NUMBERS && channels <= MOST_CHANNELS;
  const isOnePerSample = batch > 1 && elementCount(factor.shape) === batch * channels;
  const isExact = x.dtype === "float16"; // float32 would be rounded to TF32
  const isProduct = pays && isOnePerSample && isExact;
  const spread = (value: Value): Value => {
    const shape = [elementCount(value.shape) / channels, ...(isProduct ? [1] : [1, 1]), channels];
    const inType = castTo(g, value, x.dtype as ComputeType);
    return shape.join() === inType.shape.join() ? inType : ops.reshape(g, inType, shape);
  };
  // Written down before the pixels, so that onnxruntime makes those before all that the time is for (onnx/execution-order).
  const [shifts, factors] = [spread(shift), spread(factor)];
  if (!isProduct) return ops.add(g, ops.mul(g, x, factors), shifts);
  const matrices = diagonals(g, factors);
  const scaled = ops.matMul(g, ops.reshape(g, x, [batch, height * width, channels]), matrices);
  return ops.reshape(g, ops.add(g, scaled, shifts), x.shape);
}

/** (B, 1, C) -> (B, C, C). */
function diagonals(g: GraphBuilder, factor: Value): Value {
  const channels = factor.shape[2] ?? 0;
  const identity = sharedConstant(g, `identity ${channels}`, [channels, channels], factor.dtype as ComputeType, (at) =>
    at % (channels + 1) === 0 ? 1 : 0,
  );
  return ops.mul(g, factor, identity);
}
