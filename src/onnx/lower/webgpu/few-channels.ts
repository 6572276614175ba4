/**
 * @module onnx/lower/webgpu/few-channels
 * The first convolution of a network, from an image's few channels, and the last one, back to them, where the feature maps between
 * lie in rows (onnx/lower/webgpu/channels-last): neither's weights lie in blocks.
 *
 * Letters: B batch, N pixels, C and O channels, h and w of the kernel.
 */

import type { GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { intsOf } from "../../shapes.ts";
import type { ChannelsLast, Rewriting } from "../rewriting.ts";
import { onChannelsLast } from "./channels-last.ts";
import { sharedZeros } from "../shared-constants.ts";
import type { ComputeType } from "../decompositions.ts";
import { sumKernel } from "./kernel-taps.ts";

/** At most so many: then the feature map has far more numbers than the image. */
const FEW = 16;
/** Input channels become a multiple of this; a convolution of 6 gives garbage in float16 there. */
const INPUTS = 4;
/** Outputs do: a multiple of what a grouped convolution takes together, and more than one group. */
const OUTPUTS = 8;

/** @returns undefined: the convolution is not between few channels and many, or not of stride 1. */
export function convolveFew(context: Rewriting, node: Node): ChannelsLast | undefined {
  const [x, kernel] = node.inputs;
  if (!x || !kernel || intsOf(node.attributes, "strides").some((stride) => stride !== 1)) return undefined;
  const [outputs = 0, channels = 0] = kernel.shape;
  if (context.kindOf(x) === "featureMap") return outputs <= FEW ? convolveToFew(context, node, x, kernel) : undefined;
  return channels <= FEW && outputs > FEW ? convolveFromFew(context, node, x, kernel) : undefined;
}

/** The samples of a pixel lie beside each other: neighbours of one sample are B pixels apart. */
function convolveFromFew({ g, lowered }: Rewriting, node: Node, x: Value, kernel: Value): ChannelsLast {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [outputs = 0] = kernel.shape;
  const [top = 0, left = 0, bottom = 0, right = 0] = intsOf(node.attributes, "pads");
  const all = Math.ceil(channels / INPUTS) * INPUTS;
  const weight = filledUp(g, lowered(kernel), 1, all);
  const image = ops.transpose(g, lowered(x), [2, 3, 0, 1]); // (H, W, B, C)
  const whole = all === channels ? image : ops.concat(g, [image, zeros(g, image, 3, all)], 3);
  const featureMap = ops.reshape(g, whole, [1, height, width * batch, all]);
  const bias = node.inputs[2] ? lowered(node.inputs[2]) : null;
  const convolved = onChannelsLast(g, "Conv", [featureMap, weight, bias], {
    strides: ops.ints([1, 1]),
    dilations: ops.ints([1, batch]),
    pads: ops.ints([top, left * batch, bottom, right * batch]),
  });
  return { rows: ops.reshape(g, convolved, [-1, outputs]), kind: "featureMap" };
}

/** Of each pixel, what every kernel tap makes of it, in one product; then their sums. */
function convolveToFew({ g, lowered, rows }: Rewriting, node: Node, x: Value, kernel: Value): ChannelsLast {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [kernelOutputs = 0, , kernelHeight = 0, kernelWidth = 0] = kernel.shape;
  const outputs = Math.ceil(kernelOutputs / OUTPUTS) * OUTPUTS;
  const weight = filledUp(g, lowered(kernel), 0, outputs);
  const tapsLast = g.weightOp("Transpose", [weight], { perm: ops.ints([1, 2, 3, 0]) }); // (C, h, w, O)
  const matrix = g.weightOp("Reshape", [tapsLast], { shape: ops.ints([channels, -1]) });
  const products = ops.matMul(g, rows(x), matrix); // (N·B, h·w·O)
  const bias = node.inputs[2] ? filledUp(g, lowered(node.inputs[2]), 0, outputs) : null;
  const pads = intsOf(node.attributes, "pads");
  const sums = sumKernel(g, products, { batch, height, width, kernelHeight, kernelWidth, pads, outputs }, bias);
  return { rows: outputs === kernelOutputs ? sums : ops.slice(g, sums, 1, 0, kernelOutputs), kind: "featureMap" };
}

/** A weight with zeros behind it along an axis, so that it has `size` there. */
function filledUp(g: GraphBuilder, weight: Value, axis: number, size: number): Value {
  if (weight.shape[axis] === size) return weight;
  return g.weightOp("Concat", [weight, zeros(g, weight, axis, size)], { axis: ops.int(axis) });
}

const zeros = (g: GraphBuilder, { shape, dtype }: Value, axis: number, size: number): Value =>
  sharedZeros(
    g,
    shape.map((side, at) => (at === axis ? size - side : side)),
    dtype as ComputeType,
  );
