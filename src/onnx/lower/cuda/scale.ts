/**
 * @module onnx/lower/cuda/scale
 * Feature maps times one factor for each sample and channel. onnxruntime's Mul spreads such factors at half of the speed at which
 * the GPU's memory reads and writes; a product with a matrix that has them on its diagonal is as fast as that. Numbers are the same: each
 * sum has one term that is not zero.
 *
 * Letters: B batch, H and W sides, C channels.
 */

import { elementCount } from "../../../math/tensor.ts";
import type { GraphBuilder, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import type { ComputeType } from "../decompositions.ts";
import { sharedConstant } from "../shared-constants.ts";

/** More channels take the product longer than memory does. */
const MOST_CHANNELS = 640;

/**
 * Of fewer numbers starting operations is what takes the time. Of more the result, which Mul writes over x and a product does not, is
 * too much: IF-II-L took a GiB more with four images.
 */
const [FEWEST_NUMBERS, MOST_NUMBERS] = [2 ** 22, 2 ** 26];

/** x (B, H, W, C) · factor (B or 1, 1, 1, C). */
export function scaledPerSample(g: GraphBuilder, x: Value, factor: Value): Value {
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const numbers = elementCount(x.shape);
  const pays = numbers >= FEWEST_NUMBERS && numbers <= MOST_NUMBERS && channels <= MOST_CHANNELS;
  const isOnePerSample = batch > 1 && factor.shape[0] === batch;
  const isExact = x.dtype === "float16"; // float32 would be rounded to TF32
  if (!pays || !isOnePerSample || !isExact) return ops.mul(g, x, factor);
  const identity = sharedConstant(g, `identity ${channels}`, [channels, channels], x.dtype as ComputeType, (at) =>
    at % (channels + 1) === 0 ? 1 : 0,
  );
  const diagonal = ops.mul(g, ops.reshape(g, factor, [batch, 1, channels]), identity); // (B, C, C)
  const scaled = ops.matMul(g, ops.reshape(g, x, [batch, height * width, channels]), diagonal);
  return ops.reshape(g, scaled, x.shape);
}
