/**
 * @module onnx/lower/cuda/statistics
 * Group norms by their statistics: mean and mean square of each channel over pieces of some pixels, then of the group; the norm
 * is one factor and one shift for each sample and channel. For numbers of channels that onnxruntime's GroupNorm does not take.
 *
 * By products: with ones, the sums of a piece's pixels; with itself, the sums of squares, on the diagonal. Tensor cores add
 * in float32, and means of some hundred pixels stay within float16.
 *
 * Letters: B batch, N = H·W pixels, C channels, G groups, P pieces, L pixels of a piece.
 */

import type { GraphBuilder, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { type ComputeType, castTo } from "../decompositions.ts";
import { sharedConstant, sharedIndices } from "../shared-constants.ts";
import { scaledAndShifted } from "./scale.ts";

interface Statistics {
  /** (C) or (B, C), as is the shift. */
  readonly weight: Value;
  readonly shift: Value;
  readonly groups: number;
  readonly epsilon: number;
}

/** x (B, H, W, C) -> (x - mean) / √(mean(x²) - mean² + ε) · weight + shift. */
export function scaledByStatistics(g: GraphBuilder, x: Value, { weight, shift, groups, epsilon }: Statistics): Value {
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const perGroup = channels / groups;
  const byGroup = (value: Value): Value =>
    ops.reshape(g, castTo(g, value, "float32"), [value.shape.length > 1 ? batch : 1, groups, perGroup]);
  // Written down before the statistics, so that onnxruntime makes x before all that the time is for (onnx/execution-order).
  const [weights, shifts] = [byGroup(weight), byGroup(shift)];
  const length = pieceLength(height * width);
  const pieces = ops.reshape(g, x, [-1, length, channels]); // (B·P, L, C)
  const [means, squares] = byProducts(g, pieces); // (B·P, C)
  const inGroups = (value: Value): Value => {
    const bySample = ops.reshape(g, castTo(g, value, "float32"), [batch, -1, groups, perGroup]);
    return ops.mean(g, ops.reshape(g, ops.transpose(g, bySample, [0, 2, 1, 3]), [batch, groups, -1])); // (B, G, 1)
  };
  const mean = inGroups(means);
  const variance = ops.sub(g, inGroups(squares), ops.mul(g, mean, mean));
  const deviation = ops.sqrt(g, ops.add(g, variance, g.scalar(epsilon)));
  const factor = ops.div(g, weights, deviation); // (B, G, C/G)
  const offset = ops.sub(g, shifts, ops.mul(g, mean, factor));
  return scaledAndShifted(g, x, factor, offset);
}

/** Pixels of a piece at most: enough pieces for all of a GPU. */
const PIECE = 1024;

/** The longest power of two that divides the pixels. */
function pieceLength(pixels: number): number {
  let length = PIECE;
  while (pixels % length !== 0) length /= 2;
  return length;
}

/** (B·P, L, C) -> means and mean squares, (B·P, C) each. */
function byProducts(g: GraphBuilder, pieces: Value): [Value, Value] {
  const [count = 0, length = 0, channels = 0] = pieces.shape;
  const share = 1 / length;
  // for each piece: where onnxruntime spreads a factor, it copies lists of addresses to the GPU
  const shape = [count, 1, length];
  const shares = sharedConstant(g, `shares ${count} ${length}`, shape, pieces.dtype as ComputeType, () => share);
  const means = ops.reshape(g, ops.matMul(g, shares, pieces), [count, channels]);
  const products = g.op("GramMatrix", [pieces], { alpha: ops.float(share) }); // (B·P, C, C)
  const diagonal = sharedIndices(g, `diagonal ${channels}`, channels, (at) => at * (channels + 1));
  const squares = ops.gather(g, ops.reshape(g, products, [count, channels * channels]), diagonal, 1);
  return [means, squares];
}
