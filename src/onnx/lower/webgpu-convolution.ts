/**
 * @module onnx/lower/webgpu-convolution
 * Convolutions whose weights lie in blocks (weights/unet-blocks), as products: MatMulNBits reaches the card's matrix
 * units, Conv does not. Maps have their channels last, (B·H·W, C).
 *
 * 1. Gather puts beside each pixel its neighbours along x: (B·H·W', w·C). Those beyond the edges are a row of zeros that is
 *    put at the map's end; one more pixel has only such neighbours.
 * 2. One product with the kernel's rows one below the other, (h·O, w·C), gives what each of them makes of each row of the
 *    picture: (B·H·W' + 1, h·O).
 * 3. A pixel of the result is the sum of h of those, from the rows above, at and below it, plus the bias.
 * Three times the map is copied, not nine times as if all neighbours were put side by side; and sums of a third of the
 * products are rounded less far. Where the map was enlarged just before, 1. and 2. take the smaller map: rows that
 * are the same are multiplied once.
 *
 * Letters: B batch, C and O channels, H and W sides, H' and W' of the result, h and w of the kernel.
 */

import type { GraphBuilder, Node, Value } from "../graph.ts";
import * as ops from "../ops.ts";
import { intsOf } from "../shapes.ts";
import { type BlockWeight, multiplyBlocks } from "./blocks.ts";
import type { ChannelsLast, Rewriting } from "./lowering.ts";
import { sharedIndices, sharedZeros } from "./shared-constants.ts";
import type { ComputeType } from "./spellings.ts";
import type { WebgpuChoices } from "./webgpu-choices.ts";

/** @param weight of the node's second input. */
export function convolveBlocks(
  context: Rewriting,
  node: Node,
  weight: BlockWeight,
  sums: WebgpuChoices["convolutions"],
): ChannelsLast {
  const { g } = context;
  const [x, kernel, bias] = node.inputs;
  if (!x || !kernel) throw new Error(`${node.name}: a convolution takes a map and a kernel`);
  const geometry = geometryOf(node, x, kernel, weight);
  const own = bias ? filledUp(g, context.lowered(bias), weight) : null;
  if (geometry.isPointwise) {
    const products = multiplyBlocks(g, context.last(x), weight, own); // (B·H·W, O or more)
    return { last: geometry.isFilled ? gatherRows(g, products, geometry, [0]) : products };
  }
  const smaller = unenlarged(context, x);
  const map = context.last(smaller); // (B·H·W, C)
  const [batch = 0, channels = 0, height = 0, width = 0] = smaller.shape;
  const from = { ...geometry, batch, height, width };
  const zeroRow = sharedZeros(g, [1, channels], map.dtype as ComputeType);
  const beside = ops.gather(g, ops.concat(g, [map, zeroRow], 0), besideIndices(g, from), 0); // ((B·H·W' + 1)·w, C)
  const matrix = ops.reshape(g, beside, [batch * height * from.outWidth + 1, -1]);
  const products = multiplyBlocks(g, matrix, weight, own); // (B·H·W' + 1, h·O or more)
  const kernelRows = Array.from({ length: from.kernelHeight }, (_, row) => row);
  if (sums === "sum") {
    const gathered = gatherRows(g, products, from, kernelRows); // (B·H'·W', h·O)
    const parts = ops.reshape(g, gathered, [gathered.shape[0] ?? 0, from.kernelHeight, -1]);
    return { last: g.op("ReduceSum", [parts], { axis: ops.int(1) }) };
  }
  const parts = kernelRows.map((row) => gatherRows(g, products, from, [row]));
  return { last: parts.reduce((sum, part) => ops.add(g, sum, part)) }; // (B·H'·W', O)
}

/** The map before it was enlarged to `x`, nearest neighbours; `x` itself if it was not, or not with its channels last. */
function unenlarged({ producer, isLast }: Rewriting, x: Value): Value {
  const maker = producer(x);
  const [smaller] = maker?.op === "UpsampleNearest" ? maker.inputs : [];
  return smaller && isLast(smaller) ? smaller : x;
}

/** The bias joins what the first row of the kernel makes, of which each pixel of the result takes one. */
function filledUp(g: GraphBuilder, bias: Value, { value }: BlockWeight): Value {
  const [outputs = 0] = bias.shape;
  const missing = (value.shape[0] ?? 0) - outputs;
  if (missing === 0) return bias;
  const zeros = sharedZeros(g, [missing], bias.dtype as ComputeType);
  return g.weightOp("Concat", [bias, zeros], { axis: ops.int(0) });
}

/** Nearest neighbours of a map with channels last. */
export function upsampleLast(context: Rewriting, node: Node, x: Value): ChannelsLast {
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const [outHeight = 0, outWidth = 0] = intsOf(node.attributes, "size");
  const key = `upsample ${x.shape.join()} ${outHeight} ${outWidth}`;
  const indices = sharedIndices(context.g, key, batch * outHeight * outWidth, (fill) => {
    for (let b = 0; b < batch; b++) {
      for (let y = 0; y < outHeight; y++) {
        const row = b * height + nearest(y, outHeight, height);
        for (let at = 0; at < outWidth; at++) fill(row * width + nearest(at, outWidth, width));
      }
    }
  });
  return { last: ops.gather(context.g, context.last(x), indices, 0) };
}

const nearest = (at: number, length: number, of: number): number => Math.floor((at * of) / length);

interface Geometry {
  readonly batch: number;
  /** Sides of the map that is read, and of the one that it stands for, enlarged. */
  readonly height: number;
  readonly width: number;
  readonly fullHeight: number;
  readonly fullWidth: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly top: number;
  readonly left: number;
  readonly isPointwise: boolean;
  /** Were zeros added to the kernel's rows? */
  readonly isFilled: boolean;
  /** What is gathered at once of a pixel's products, and how many of these make O and all products. */
  readonly unit: number;
  readonly unitsOut: number;
  readonly unitsAll: number;
}

/** Divides the channels of all kernels in blocks, and their rows with what fills them up. */
const UNIT = 32;

function geometryOf(node: Node, x: Value, kernel: Value, { value }: BlockWeight): Geometry {
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const [outputs = 0, , kernelHeight = 0, kernelWidth = 0] = kernel.shape;
  const [, , outHeight = 0, outWidth = 0] = node.output.shape;
  const [top = 0, left = 0] = intsOf(node.attributes, "pads");
  const [strideY = 1, strideX = 1] = intsOf(node.attributes, "strides");
  const isPointwise = kernelHeight * kernelWidth * strideY * strideX === 1 && outHeight === height;
  const [all = 0] = value.shape;
  const isFilled = all > kernelHeight * outputs;
  const unit = isFilled ? UNIT : outputs;
  const units = { isFilled, unit, unitsOut: outputs / unit, unitsAll: all / unit };
  const sides = { batch, height, width, fullHeight: height, fullWidth: width, outHeight, outWidth };
  return { ...sides, kernelHeight, kernelWidth, strideY, strideX, top, left, isPointwise, ...units };
}

/** Of step 1: for each row, pixel of the result and column of the kernel, where the neighbour lies. */
function besideIndices(g: GraphBuilder, geometry: Geometry): Value {
  const { batch, height, width, fullWidth, outWidth, kernelWidth, strideX, left } = geometry;
  const zeros = batch * height * width;
  const count = (batch * height * outWidth + 1) * kernelWidth;
  return sharedIndices(g, `beside ${JSON.stringify(geometry)}`, count, (fill) => {
    for (let row = 0; row < batch * height; row++) {
      for (let at = 0; at < outWidth; at++) {
        for (let column = 0; column < kernelWidth; column++) {
          const x = at * strideX + column - left;
          fill(x >= 0 && x < fullWidth ? row * width + nearest(x, fullWidth, width) : zeros);
        }
      }
    }
    for (let column = 0; column < kernelWidth; column++) fill(zeros);
  });
}

/**
 * Of step 3: for each pixel of the result, what some rows of the kernel make of the picture's rows.
 * @param products (B·H·W' + 1, h·O or more). @returns (B·H'·W', kernelRows·O).
 */
function gatherRows(g: GraphBuilder, products: Value, geometry: Geometry, kernelRows: readonly number[]): Value {
  const { batch, height, fullHeight, outHeight, outWidth, strideY, top, unit, unitsOut, unitsAll } = geometry;
  const zeros = batch * height * outWidth;
  const count = batch * outHeight * outWidth;
  const key = `rows ${kernelRows.join()} ${JSON.stringify(geometry)}`;
  const indices = sharedIndices(g, key, count * kernelRows.length * unitsOut, (fill) => {
    for (let b = 0; b < batch; b++) {
      for (let at = 0; at < outHeight; at++) {
        for (let x = 0; x < outWidth; x++) {
          for (const row of kernelRows) {
            const y = at * strideY + row - top;
            const isInside = y >= 0 && y < fullHeight;
            const pixel = isInside ? (b * height + nearest(y, fullHeight, height)) * outWidth + x : zeros;
            for (let part = 0; part < unitsOut; part++) fill(pixel * unitsAll + row * unitsOut + part);
          }
        }
      }
    }
  });
  const gathered = ops.gather(g, ops.reshape(g, products, [-1, unit]), indices, 0);
  return ops.reshape(g, gathered, [count, -1]);
}
