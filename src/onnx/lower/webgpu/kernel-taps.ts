/**
 * @module onnx/lower/webgpu/kernel-taps
 * Sums over the taps of a convolution's kernel, and neighbours put beside each other, as grouped convolutions with kernels
 * of zeros and ones: the one operation there that reads at an offset, takes four channels at a time and counts what lies
 * beyond an edge as zero.
 *
 * For a sum over k taps, what they make of a pixel lies in k entries of a line, (N·B·k, O): those that make one pixel of the
 * result are then N·k + 1 entries apart, so that one dimension, one stride and one dilation find them.
 *
 * Letters: as in onnx/lower/webgpu/convolution.
 */

import type { Attributes, GraphBuilder, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { onChannelsLast } from "./channels-last.ts";
import { sharedConstant } from "../shared-constants.ts";
import { type ComputeType, castTo } from "../decompositions.ts";

/** Channels that a grouped convolution takes together: as many as a GPU's kernel reads and writes at once. */
const TOGETHER = 4;

export interface Line {
  /** How many lines lie one after the other, and are summed each by itself. */
  readonly lines: number;
  /** What is summed: so many taps, of so many channels. */
  readonly taps: number;
  readonly channels: number;
  /** Pixels and samples from a pixel to the next that is summed. */
  readonly step: number;
  /** How many of these lie before the first pixel, and behind the last, and count as zero. */
  readonly before: number;
  readonly after: number;
}

/** (lines·n, taps·channels) -> (lines·n', channels): the sum over t of tap t of the pixel t - before steps away. */
export function sumTaps(
  g: GraphBuilder,
  products: Value,
  { lines, taps, channels, step, before, after }: Line,
  bias: Value | null,
): Value {
  const line = ops.reshape(g, products, [1, lines, -1, channels]); // (1, lines, n·taps, channels)
  const ones = sharedKernel(g, `sum ${channels} ${taps}`, channels, [1, taps], products, () => 1);
  const sums = convolveGrouped(g, line, ones, bias, {
    dilations: ops.ints([1, taps * step + 1]),
    strides: ops.ints([1, taps]),
    pads: ops.ints([0, taps * step * before, 0, taps * step * after]),
  });
  return ops.reshape(g, sums, [-1, channels]);
}

/** A convolution of (1, H, W, C) with a kernel whose outputs take four channels each. */
export function convolveGrouped(
  g: GraphBuilder,
  featureMap: Value,
  kernel: Value,
  bias: Value | null,
  sides: Attributes,
): Value {
  const group = ops.int((featureMap.shape[3] ?? 0) / TOGETHER);
  const typedBias = bias && castTo(g, bias, featureMap.dtype as ComputeType);
  return onChannelsLast(g, "Conv", [featureMap, kernel, typedBias], { group, ...sides });
}

/** A convolution at stride 1. */
export interface KernelTaps {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly pads: readonly number[];
  readonly outputs: number;
}

/** What the taps of a kernel make of each pixel, (N·B, h·w·O) -> the convolution, (N'·B, O). */
export function sumKernel(
  g: GraphBuilder,
  products: Value,
  { batch, width, height, kernelHeight, kernelWidth, pads, outputs }: KernelTaps,
  bias: Value | null,
): Value {
  const [top = 0, left = 0, bottom = 0, right = 0] = pads;
  const line = { taps: kernelHeight, channels: kernelWidth * outputs };
  const above = sumTaps(g, products, { ...line, lines: 1, step: width * batch, before: top, after: bottom }, null);
  const outHeight = height + top + bottom - kernelHeight + 1;
  const row = { taps: kernelWidth, channels: outputs, lines: outHeight, step: batch };
  return sumTaps(g, above, { ...row, before: left, after: right }, bias);
}

/** The kernel that puts `width` neighbours beside each other, four channels of each at a time. */
export function neighbours(g: GraphBuilder, channels: number, width: number, like: Value): Value {
  const shape = [width * channels, TOGETHER, 1, width];
  return sharedConstant(g, `neighbours ${channels} ${width}`, shape, like.dtype as ComputeType, (at) => {
    const [output, input, tap] = [Math.floor(at / (TOGETHER * width)), Math.floor(at / width) % TOGETHER, at % width];
    const within = output % (TOGETHER * width);
    return Math.floor(within / TOGETHER) === tap && within % TOGETHER === input ? 1 : 0;
  });
}

/** (channels, 4, h, w): each channel by itself, times what `factor` says of a tap. */
export function sharedKernel(
  g: GraphBuilder,
  key: string,
  channels: number,
  [height, width]: readonly [number, number],
  like: Value,
  factor: (row: number, column: number) => number,
): Value {
  const shape = [channels, TOGETHER, height, width];
  const taps = height * width;
  return sharedConstant(g, key, shape, like.dtype as ComputeType, (at) => {
    const [output, input] = [Math.floor(at / (TOGETHER * taps)), Math.floor(at / taps) % TOGETHER];
    return output % TOGETHER === input ? factor(Math.floor((at % taps) / width), at % width) : 0;
  });
}
