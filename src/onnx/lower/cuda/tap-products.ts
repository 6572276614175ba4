/**
 * @module onnx/lower/cuda/tap-products
 * Convolutions as products: of one pixel, whose kernel is a matrix as it lies, and those whose kernels lie in 8-bit blocks, tap by
 * tap. MatMulNBits unpacks such a matrix as it lies, in one pass of four numbers a thread. For Conv a kernel is unpacked number by
 * number, with a division each, and turned in a pass of its own.
 *
 * 1. A product gives what each kernel tap makes of each pixel, (B, H, W, h·w·O). Where the feature map was enlarged just before, it
 *    takes the smaller one: pixels that are the same have the same products.
 * 2. A pixel of the result is the sum of what the taps make of its neighbours: a product with ones and zeros, which tensor cores add
 *    in float32. In small feature maps of all neighbours at once; in others first of those in a row, then of the rows.
 *
 * Letters: B batch, H and W sides, H' and W' those of the result, C and O channels, h and w of the kernel.
 */

import type { GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { intsOf } from "../../shapes.ts";
import { bindShaped, inBlocks, multiplyBlocks, unpackKernelTaps } from "../block-weights.ts";
import type { ComputeType } from "../decompositions.ts";
import type { Rewriting } from "../rewriting.ts";
import { once, sharedMatrices } from "../shared-constants.ts";
import type { CudaChoices } from "./variants.ts";

/** Ones and zeros for a sample's neighbours all at once, at most: 16 x 16 pixels of nine taps are 0.6 million. */
const MOST_SUMS = 2 ** 20;

/** One side of a convolution. */
interface Side {
  readonly pixels: number;
  /** How often each pixel stands beside itself in what the kernel is laid over. */
  readonly times: number;
  readonly results: number;
  readonly taps: number;
  readonly stride: number;
  readonly before: number;
}

/**
 * (B, H, W, C) -> (B, H', W', O) without a bias; undefined: the feature map has more pixels than are taken so, or the kernel lies in
 * another way.
 */
export function multiplyTaps(
  context: Rewriting,
  node: Node,
  type: ComputeType,
  { mostTapPixels, unpacksTaps }: CudaChoices,
): Value | undefined {
  const { g, lowered } = context;
  const [enlarged, kernel] = node.inputs;
  if (!enlarged || !kernel) return undefined;
  const [outputs = 0, , height = 1, width = 1] = kernel.shape;
  const source = enlargedFrom(context, enlarged) ?? enlarged;
  const sides = sidesOf(node, source, enlarged, [height, width]);
  const isPointwise = sides.every(({ taps, stride, times, before }) => taps * stride * times === 1 && before === 0);
  const isSmall = sides[0].pixels * sides[1].pixels <= mostTapPixels;
  if (!isSmall && !isPointwise) return undefined;
  const multiply =
    (isPointwise ? pointwiseProduct(context, kernel, type) : undefined) ??
    (mostTapPixels > 0 ? tapProduct(context, kernel, type, unpacksTaps && isSmall) : undefined);
  if (!multiply) return undefined;
  const products = multiply(lowered(source));
  const sums = isPointwise ? products : sumTaps(g, products, sides);
  return sums.shape[3] === outputs ? sums : ops.slice(g, sums, 3, 0, outputs); // rows of zeros were added
}

/** (B, H, W, C) -> (B, H, W, h·w·O). */
type Product = (x: Value) => Value;

/**
 * With a kernel of one pixel that is stored in the type that is computed in. For Conv onnxruntime has cuDNN plan each node anew, 15 to
 * 17 ms in the first step, and keeps a turned kernel.
 */
function pointwiseProduct({ g, weight }: Rewriting, kernel: Value, type: ComputeType): Product | undefined {
  const stored = weight(kernel);
  if (stored?.dtype !== type) return undefined;
  const shape = kernel.shape.slice(0, 2);
  const matrix = once(g, `${stored.name} as a matrix`, () => bindShaped(g, stored, shape).value);
  return (x) => g.op("com.microsoft.FusedMatMul", [x, matrix]);
}

/** With each tap of a kernel. @param unpacks kernels that lie in another way too. */
function tapProduct(
  { g, stored, lowered }: Rewriting,
  kernel: Value,
  type: ComputeType,
  unpacks: boolean,
): Product | undefined {
  const { shape } = kernel;
  const bound = stored(kernel);
  if (inBlocks(bound)) {
    const [, blocks = 0, perBlock = 0] = bound.value.shape;
    if (blocks * perBlock === shape[1]) return (x) => multiplyBlocks(g, x, bound, null);
  }
  if (!unpacks) return undefined;
  const rows = inBlocks(bound)
    ? unpackKernelTaps(g, bound, shape, type)
    : g.weightOp("Reshape", [g.weightOp("Transpose", [lowered(kernel)], { perm: ops.ints([2, 3, 0, 1]) })], {
        shape: ops.ints([-1, shape[1] ?? 0]),
      });
  return (x) => g.op("com.microsoft.FusedMatMul", [x, rows]);
}

/** The feature map that was enlarged to `x`, a whole number of times in both directions. */
export function enlargedFrom({ producer }: Pick<Rewriting, "producer">, x: Value): Value | undefined {
  const maker = producer(x);
  const [smaller] = maker?.op === "UpsampleNearestNhwc" ? maker.inputs : [];
  const isWhole = [1, 2].every((axis) => (x.shape[axis] ?? 0) % (smaller?.shape[axis] ?? 0) === 0);
  return smaller && isWhole ? smaller : undefined;
}

function sidesOf(node: Node, source: Value, enlarged: Value, taps: readonly [number, number]): [Side, Side] {
  const side = (at: 0 | 1): Side => {
    const pixels = source.shape[1 + at] ?? 0;
    return {
      pixels,
      times: (enlarged.shape[1 + at] ?? 0) / pixels,
      results: node.output.shape[1 + at] ?? 0,
      taps: taps[at],
      stride: intsOf(node.attributes, "strides")[at] ?? 1,
      before: intsOf(node.attributes, "pads")[at] ?? 0,
    };
  };
  return [side(0), side(1)];
}

/** (B, H, W, h·w·O) -> (B, H', W', O) */
function sumTaps(g: GraphBuilder, products: Value, [vertical, horizontal]: readonly [Side, Side]): Value {
  const [batch = 0, height = 0, width = 0, features = 0] = products.shape;
  const taps = vertical.taps * horizontal.taps;
  const outputs = features / taps;
  const [downwards, across] = [vertical.results, horizontal.results];
  if (downwards * across * height * width * taps <= MOST_SUMS) {
    const all = neighbours(g, products, batch, [vertical, horizontal]);
    const sums = ops.matMul(g, all, ops.reshape(g, products, [batch, height * width * taps, outputs]));
    return ops.reshape(g, sums, [batch, downwards, across, outputs]);
  }
  const inRows = neighboursInRow(g, products, batch * height, vertical.taps, horizontal);
  const rowSums = ops.matMul(g, inRows, ops.reshape(g, products, [batch * height, width * taps, outputs])); // (B·H, h·W', O)
  const ofRows = neighbours(g, products, batch, [vertical]);
  const sums = ops.matMul(g, ofRows, ops.reshape(g, rowSums, [batch, height * vertical.taps, across * outputs]));
  return ops.reshape(g, sums, [batch, downwards, across, outputs]);
}

/** The pixel on which a tap of the result's pixel `to` lies, and the tap. */
function* tapsOn({ pixels, times, taps, stride, before }: Side, to: number): Generator<readonly [number, number]> {
  for (let tap = 0; tap < taps; tap++) {
    const place = to * stride + tap - before;
    if (place >= 0 && place < pixels * times) yield [Math.floor(place / times), tap];
  }
}

/** A 1 where the row's pixel of the result takes the column's pixel and tap: (count, Π results, Π pixels · Π taps). */
function neighbours(g: GraphBuilder, like: Value, count: number, sides: readonly Side[]): Value {
  const product = (of: (side: Side) => number): number => sides.reduce((total, side) => total * of(side), 1);
  const allTaps = product(({ taps }) => taps);
  const [rows, columns] = [product(({ results }) => results), product(({ pixels }) => pixels) * allTaps];
  /** Of the sides from `at` on, given what the ones before make of row, pixel and tap. */
  function* places(at: number, row: number, pixel: number, tap: number): Generator<number> {
    const side = sides[at];
    if (!side) return yield row * columns + pixel * allTaps + tap;
    for (let to = 0; to < side.results; to++) {
      for (const [from, ownTap] of tapsOn(side, to)) {
        yield* places(at + 1, row * side.results + to, pixel * side.pixels + from, tap * side.taps + ownTap);
      }
    }
  }
  const key = `neighbours ${JSON.stringify(sides)}`;
  return sharedMatrices(g, key, [count, rows, columns], like.dtype as ComputeType, () => places(0, 0, 0, 0));
}

/** The same within a row of pixels, for each of the kernel's rows: (count, h·W', W·h·w). */
function neighboursInRow(g: GraphBuilder, like: Value, count: number, kernelRows: number, side: Side): Value {
  const { pixels, results, taps } = side;
  const [rows, columns] = [kernelRows * results, pixels * kernelRows * taps];
  function* places(): Generator<number> {
    for (let row = 0; row < rows; row++) {
      const kernelRow = Math.floor(row / results);
      for (const [from, tap] of tapsOn(side, row % results)) {
        yield row * columns + (from * kernelRows + kernelRow) * taps + tap;
      }
    }
  }
  const key = `neighbours in ${kernelRows} rows ${JSON.stringify(side)}`;
  return sharedMatrices(g, key, [count, rows, columns], like.dtype as ComputeType, places);
}
