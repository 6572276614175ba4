/**
 * @module onnx/lower/webgpu/convolution
 * Convolutions whose weights lie in blocks (weights/unet-blocks), as products: MatMulNBits reaches the GPU's matrix
 * units, Conv does not. Feature maps lie channels-last (onnx/lower/webgpu/channels-last).
 *
 * Kernel apart: 1. a product gives what each kernel tap makes of each pixel, (N·B, h·w·O). 2. A pixel of the result
 * is the sum of what the taps make of its neighbours: first those above each other, then those beside each other.
 * Kernel beside: 1. each pixel's neighbours in its row are put beside it, (N·B, w·C). 2. A product with the kernel's rows
 * gives (N·B, h·O). 3. A pixel of the result is the sum over the rows.
 *
 * Sums and neighbours: onnx/lower/webgpu/kernel-taps.
 *
 * Where the feature map was enlarged just before, the product takes the smaller one, whose rows stand for four each, and the
 * sums are made for each of these four; their pixels are put between each other at the end.
 *
 * Letters: B batch, N pixels, C and O channels, H and W sides, h and w of the kernel.
 */

import type { GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { intsOf } from "../../shapes.ts";
import { interleave } from "./interleave.ts";
import { type BlockWeight, multiplyBlocks } from "../block-weights.ts";
import type { ChannelsLast, Rewriting } from "../rewriting.ts";
import { onChannelsLast } from "./channels-last.ts";
import { sharedIndices, sharedZeros } from "../shared-constants.ts";
import type { ComputeType } from "../decompositions.ts";
import { type KernelTaps, convolveGrouped, neighbours, sharedKernel, sumKernel, sumTaps } from "./kernel-taps.ts";

/** @param weight of the node's second input. @param bias (O), in place of the node's own. */
export function convolveBlocks(context: Rewriting, node: Node, weight: BlockWeight, bias?: Value): ChannelsLast {
  const { g } = context;
  const [x, kernel] = node.inputs;
  if (!x || !kernel) throw new Error(`${node.name}: a convolution takes a feature map and a kernel`);
  const geometry = geometryOf(node, x, kernel, weight);
  const loweredBias = biasOf(context, node, geometry, bias);
  const rows = ((): Value => {
    if (geometry.kernelHeight * geometry.kernelWidth === 1) {
      return subsampled(g, multiplyBlocks(g, context.rows(x), weight, loweredBias), geometry);
    }
    if (geometry.isBeside) return convolveBeside(context, x, weight, geometry, loweredBias);
    const smaller = halfOf(context, x, geometry);
    if (smaller) return convolveEnlarged(g, context.rows(smaller), weight, halved(geometry), loweredBias);
    const products = multiplyBlocks(g, context.rows(x), weight, null); // (N·B, h·w·O)
    return subsampled(g, sumKernel(g, products, geometry, loweredBias), geometry);
  })();
  const isFilled = geometry.outputs > geometry.kernelOutputs;
  return { rows: isFilled ? ops.slice(g, rows, 1, 0, geometry.kernelOutputs) : rows, kind: "featureMap" };
}

/** `outputs`: rows of a kernel tap, filled up or not; `kernelOutputs`: those of them that are the result's. */
interface Geometry extends KernelTaps {
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly isBeside: boolean;
  readonly kernelOutputs: number;
}

function geometryOf(node: Node, x: Value, kernel: Value, { value }: BlockWeight): Geometry {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [kernelOutputs = 0, , kernelHeight = 0, kernelWidth = 0] = kernel.shape;
  const [, , outHeight = 0, outWidth = 0] = node.output.shape;
  const [strideY = 1, strideX = 1] = intsOf(node.attributes, "strides");
  const [rows = 0, blocks = 0, perBlock = 0] = value.shape;
  const isBeside = blocks * perBlock > channels;
  const outputs = rows / (kernelHeight * (isBeside ? 1 : kernelWidth));
  const sides = { batch, channels, height, width, outHeight, outWidth, kernelHeight, kernelWidth, strideY, strideX };
  return { ...sides, pads: intsOf(node.attributes, "pads"), isBeside, outputs, kernelOutputs };
}

/** (O), with zeros behind it where the weight's rows were filled up. */
function biasOf(
  { g, lowered }: Rewriting,
  node: Node,
  { outputs, kernelOutputs }: Geometry,
  computed?: Value,
): Value | null {
  const stored = node.inputs[2] ? lowered(node.inputs[2]) : null;
  const bias = computed ?? stored;
  if (!bias || outputs === kernelOutputs) return bias;
  const parts = [bias, sharedZeros(g, [outputs - kernelOutputs], bias.dtype as ComputeType)];
  return computed ? ops.concat(g, parts, 0) : g.weightOp("Concat", parts, { axis: ops.int(0) });
}

/** Every stride-th pixel of both sides. */
function subsampled(g: GraphBuilder, rows: Value, { batch, outputs, pads, ...geometry }: Geometry): Value {
  const { height, width, kernelHeight, kernelWidth, strideY, strideX } = geometry;
  if (strideY * strideX === 1) return rows;
  const [top = 0, left = 0, bottom = 0, right = 0] = pads;
  const sides = [height + top + bottom - kernelHeight + 1, width + left + right - kernelWidth + 1];
  const featureMap = ops.reshape(g, rows, [1, ...sides, batch * outputs]);
  const every = { kernel_shape: ops.ints([1, 1]), strides: ops.ints([strideY, strideX]) };
  return ops.reshape(g, onChannelsLast(g, "AveragePool", [featureMap], every), [-1, outputs]);
}

// Beside.

function convolveBeside(
  { g, rows }: Rewriting,
  x: Value,
  weight: BlockWeight,
  { batch, channels, height, width, ...geometry }: Geometry,
  bias: Value | null,
): Value {
  const { outHeight, outWidth, kernelHeight, kernelWidth, strideY, strideX, pads, outputs } = geometry;
  const [top = 0, left = 0, bottom = 0, right = 0] = pads;
  const featureMap = ops.reshape(g, rows(x), [1, height, width, batch * channels]);
  const beside = convolveGrouped(g, featureMap, neighbours(g, batch * channels, kernelWidth, featureMap), null, {
    strides: ops.ints([1, strideX]),
    pads: ops.ints([0, left, 0, right]),
  }); // (1, H, W', B·w·C)
  const products = multiplyBlocks(g, ops.reshape(g, beside, [-1, kernelWidth * channels]), weight, null);
  if (strideY === 1) {
    const line = { lines: 1, taps: kernelHeight, channels: outputs, step: outWidth * batch };
    return sumTaps(g, products, { ...line, before: top, after: bottom }, bias);
  }
  const parts = ops.reshape(g, products, [1, height, -1, outputs]); // (1, H, W'·B·h, O)
  const diagonal = sharedKernel(
    g,
    `diagonal ${outputs} ${kernelHeight}`,
    outputs,
    [kernelHeight, kernelHeight],
    parts,
    (row, place) => (row === place ? 1 : 0),
  );
  const sums = convolveGrouped(g, parts, diagonal, bias, {
    strides: ops.ints([strideY, kernelHeight]),
    pads: ops.ints([top, 0, bottom, 0]),
  });
  return ops.reshape(g, sums, [outHeight * outWidth * batch, outputs]);
}

// Enlarged to twice both sides.

/** The feature map of half its sides that was enlarged to `x`; undefined: it was not, or the convolution is of another kind. */
function halfOf({ producer, kindOf }: Rewriting, x: Value, geometry: Geometry): Value | undefined {
  const { kernelHeight, kernelWidth, pads, strideX, strideY } = geometry;
  const isCommon = kernelHeight === 3 && kernelWidth === 3 && pads.every((pad) => pad === 1) && strideX * strideY === 1;
  const maker = producer(x);
  const [smaller] = maker?.op === "UpsampleNearest" ? maker.inputs : [];
  if (!smaller || !isCommon || kindOf(smaller) !== "featureMap") return undefined;
  const isDoubled = 2 * (smaller.shape[2] ?? 0) === x.shape[2] && 2 * (smaller.shape[3] ?? 0) === x.shape[3];
  return isDoubled ? smaller : undefined;
}

const halved = (geometry: Geometry): Geometry => ({
  ...geometry,
  height: geometry.height / 2,
  width: geometry.width / 2,
});

/**
 * Even and odd pixels along a side, of the enlarged feature map: the taps of the kernel lie on the pixel before (-1), this one
 * or the next one of the smaller feature map.
 */
const phases = [
  { before: 1, after: 0, rowOf: [0, 1, 1] },
  { before: 0, after: 1, rowOf: [0, 0, 1] },
] as const;

/** (N·B, C) of the smaller feature map -> (4·N·B, O). */
function convolveEnlarged(
  g: GraphBuilder,
  featureMap: Value,
  weight: BlockWeight,
  { batch, height, width, outputs }: Geometry,
  bias: Value | null,
): Value {
  const products = multiplyBlocks(g, featureMap, weight, null); // (N·B, 3·3·O)
  const lines = phases.map((down) => {
    const parts = ops.reshape(g, products, [1, height, -1, 3 * outputs]); // (1, H, W·B·3, 3·O)
    const above = sumPhase(g, parts, down, null); // (1, H, W·B, 3·O)
    const inLine = ops.reshape(g, above, [height, width, -1, outputs]); // (H, W, B·3, O)
    const [even, odd] = phases.map((along) =>
      ops.reshape(g, sumPhase(g, inLine, along, bias), [height * width, 1, -1]),
    );
    return interleave(g, [even!, odd!]); // (H·W, 2, B·O)
  });
  const [even, odd] = lines.map((line) => ops.reshape(g, line, [height, 1, -1])); // (H, 1, 2·W·B·O)
  return ops.reshape(g, interleave(g, [even!, odd!]), [4 * height * width * batch, outputs]);
}

/** (b, n, m·3, C) -> (b, n, m, C): the sum of three taps, each of its row or of one before or after. */
function sumPhase(
  g: GraphBuilder,
  parts: Value,
  { before, after, rowOf }: (typeof phases)[number],
  bias: Value | null,
): Value {
  const channels = parts.shape[3] ?? 0;
  const kernel = sharedKernel(g, `phase ${before} ${channels}`, channels, [2, 3], parts, (row, place) =>
    rowOf[place] === row ? 1 : 0,
  );
  return convolveGrouped(g, parts, kernel, bias, {
    strides: ops.ints([1, 3]),
    pads: ops.ints([before, 0, after, 0]),
  });
}

/** Nearest neighbours of a channels-last feature map. */
export function upsampleChannelsLast({ g, rows }: Rewriting, node: Node, x: Value): ChannelsLast {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [outHeight = 0, outWidth = 0] = intsOf(node.attributes, "size");
  const featureMap = ops.reshape(g, rows(x), [height, 1, width, 1, batch * channels]);
  const [down, along] = [outHeight / height, outWidth / width];
  if (Number.isInteger(down) && Number.isInteger(along)) {
    const repeated = ops.expand(g, featureMap, [height, down, width, along, batch * channels]);
    return { rows: ops.reshape(g, repeated, [-1, channels]), kind: "featureMap" };
  }
  const nearest = (at: number, length: number, from: number): number => Math.floor((at * from) / length);
  const pixels = ops.reshape(g, featureMap, [height * width, batch * channels]);
  const indices = sharedIndices(
    g,
    `upsample ${height} ${width} ${outHeight} ${outWidth}`,
    outHeight * outWidth,
    (at) => {
      const [y, column] = [Math.floor(at / outWidth), at % outWidth];
      return nearest(y, outHeight, height) * width + nearest(column, outWidth, width);
    },
  );
  return { rows: ops.reshape(g, ops.gather(g, pixels, indices, 0), [-1, channels]), kind: "featureMap" };
}
