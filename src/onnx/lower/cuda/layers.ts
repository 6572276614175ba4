/**
 * @module onnx/lower/cuda/layers
 * Convolutions, linear layers and sums on CUDA.
 *
 * A convolution is onnxruntime's own channels-last Conv. The provider turns a kernel that lies in its file as it is computed
 * with once, on the GPU, when the session is made. One that is unpacked as it is used is turned then: the same Conv takes a kernel
 * (O, h, w, C) for what it is if its bias is a constant (`PrePack` of any input but the kernel says so), and if the kernel is
 * none: a kernel that onnxruntime folded to a constant it would turn. `NhwcConv`, which is made for such kernels, fails at full
 * size: onnxruntime finds no kernel for it where its kernel is not a constant.
 *
 * Letters: B batch, H and W sides, C and O channels, h and w of the kernel.
 */

import { elementCount } from "../../../math/tensor.ts";
import type { GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { intOf, intsOf, textOf } from "../../shapes.ts";
import {
  type BlockWeight,
  bindRows,
  inBlocks,
  isInBlocks,
  multiplyBlocks,
  unpackKernelChannelsLast,
} from "../block-weights.ts";
import { type ComputeType, castTo, castWeight, gelu as plainGelu, inputOf, linearAsGemm } from "../decompositions.ts";
import type { BoundWeight, Rewrite, Rewriting } from "../rewriting.ts";
import { sharedZeros } from "../shared-constants.ts";
import { multiplyTaps } from "./tap-products.ts";
import type { CudaChoices } from "./variants.ts";

/**
 * A kernel of another type than is computed in is cast once, when the session is made, up to this size
 * (runtime/execution-providers says so to onnxruntime).
 */
export const FOLDED_BYTES = 16 * 2 ** 20;

/** (B, H, W, C) -> (B, H', W', O). Where `folds`, onnxruntime makes constants of what is cast, up to FOLDED_BYTES. */
export const convolve =
  (type: ComputeType, choices: CudaChoices): Rewrite =>
  (context, node) => {
    const { g, lowered } = context;
    const [x, kernel, bias] = node.inputs;
    if (!x || !kernel) throw new Error(`${node.name}: a convolution takes a feature map and a kernel`);
    const stored = context.weight(kernel);
    const ownBias = bias ? lowered(bias) : null;
    const sums = multiplyTaps(context, node, type, choices);
    if (sums) return ownBias ? ops.add(g, sums, ownBias) : sums;
    const isPlain = stored !== undefined && !stored.blockScales;
    const bytes = elementCount(kernel.shape) * (type === "float32" ? 4 : 2);
    const isFolded = choices.folds && bytes <= FOLDED_BYTES;
    if (isPlain && ((stored.dtype === type && !stored.rowScales) || isFolded)) {
      return g.op("com.ms.internal.nhwc.Conv", [lowered(x), lowered(kernel), ownBias], node.attributes);
    }
    const bound = context.stored(kernel);
    const turned = inBlocks(bound)
      ? unpackKernelChannelsLast(g, bound, kernel.shape, type)
      : g.weightOp("Transpose", [lowered(kernel)], { perm: ops.ints([0, 2, 3, 1]) });
    const isConstant = bias ? context.weight(bias)?.dtype === type : false; // not one that is cast at each step
    const constantBias = ownBias && isConstant ? ownBias : sharedZeros(g, [kernel.shape[0] ?? 0], type);
    const result = g.op("ConvOfKernelLast", [lowered(x), turned, constantBias], node.attributes);
    return ownBias && !isConstant ? ops.add(g, result, ownBias) : result;
  };

/** Means over windows. */
export const averagePool: Rewrite = ({ g, lowered }, node) =>
  g.op("com.ms.internal.nhwc.AveragePool", [lowered(node.inputs[0]!)], node.attributes);

/** Made where it is asked for: a convolution of kernel taps or of phases takes what was enlarged. */
export const upsampleLater: Rewrite = (context, node) => ({ later: () => upsample(context, node) });

/** Nearest neighbours of (B, H, W, C), whole numbers of times in both directions, or by ONNX's Resize between two turns. */
export const upsample = (context: Rewriting, node: Node): Value => {
  const { g } = context;
  const x = inputOf(context, node, 0);
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const [outHeight = 0, outWidth = 0] = intsOf(node.attributes, "size");
  const [down, along] = [outHeight / height, outWidth / width];
  if (!Number.isInteger(down) || !Number.isInteger(along)) {
    const first = ops.transpose(g, x, [0, 3, 1, 2]);
    const resized = g.op("Resize", [first], { size: ops.ints([outHeight, outWidth]) });
    return ops.transpose(g, resized, [0, 2, 3, 1]);
  }
  const pixels = ops.reshape(g, x, [batch * height, 1, width, 1, channels]);
  const repeated = ops.expand(g, pixels, [batch * height, down, width, along, channels]);
  return ops.reshape(g, repeated, [batch, outHeight, outWidth, channels]);
};

/** x·weightᵀ + bias. Of a row for each sample, Gemm: one operation instead of two; of tokens, its bias takes it longer. */
export const linear: Rewrite = (context, node) => {
  const { g } = context;
  const stored = node.inputs[1] ? context.stored(node.inputs[1]) : undefined;
  const bias = node.inputs[2] ? context.lowered(node.inputs[2]) : null;
  if (inBlocks(stored) && is8Bit(stored)) {
    return withBias(g, multiplyBlocks(g, inputOf(context, node, 0), stored, null), bias);
  }
  if (node.output.shape.length === 2) return linearAsGemm(context, node);
  return withBias(g, fusedMatMul(g, inputOf(context, node, 0), inputOf(context, node, 1)), bias);
};

/** A byte each; 4 bits were not tried here, and are refused where they would be unpacked. */
const is8Bit = ({ value }: BlockWeight): boolean => value.shape[2] === 32;

/** Some of a linear layer's features, by the rows of its weight; with a GELU behind. */
export const linearRows =
  (type: ComputeType): Rewrite =>
  (context, node) => {
    const { g } = context;
    const x = inputOf(context, node, 0);
    const [from, to] = [intOf(node.attributes, "from"), intOf(node.attributes, "to")];
    const bias = node.inputs[2] ? castRows(g, rowsOf(context, node.inputs[2], from, to), type) : null;
    const weight = rowsOf(context, node.inputs[1]!, from, to);
    const product = isBlockWeight(weight)
      ? multiplyBlocks(g, x, weight, null)
      : fusedMatMul(g, x, castRows(g, weight, type));
    if (intOf(node.attributes, "gelu") === 1 && bias) return g.op("com.microsoft.BiasGelu", [product, bias]);
    return withBias(g, product, bias);
  };

/**
 * Several linear layers of one input as one, their features side by side, or stacks of such for each of x's first axis:
 * x (A, M, X) -> (A, M, features). Weights are joined as they are used; those in blocks are multiplied one by one.
 */
export const joinedLinear: Rewrite = (context, node) => {
  const { g, lowered } = context;
  const x = inputOf(context, node, 0);
  const layers = node.inputs.slice(1).map((value) => value!);
  const [weights, biases] = [layers.slice(0, layers.length / 2), layers.slice(layers.length / 2)];
  const stacks = intOf(node.attributes, "stacks");
  const joined = (parts: readonly Value[]): Value =>
    g.weightOp(
      "Concat",
      parts.map((part) => lowered(part)),
      { axis: ops.int(0) },
    );
  const reshaped = (value: Value, shape: readonly number[]): Value =>
    g.weightOp("Reshape", [value], { shape: ops.ints(shape) });
  const bias = joined(biases);
  const features = (bias.shape[0] ?? 0) / stacks;
  const inStacks = stacks === 1 ? bias : reshaped(bias, [stacks, 1, features]);
  const blocks = weights.map((value) => (isInBlocks(context.weight(value)) ? context.stored(value) : undefined));
  if (blocks.every(inBlocks)) return withBias(g, productsBeside(g, x, blocks, stacks), inStacks);
  const weight = joined(weights);
  const matrices = stacks === 1 ? weight : reshaped(weight, [stacks, features, weight.shape[1] ?? 0]);
  return withBias(g, fusedMatMul(g, x, matrices), inStacks);
};

/** x (A, M, X) with so many weights for each A, or with all of them -> their features side by side. */
function productsBeside(g: GraphBuilder, x: Value, weights: readonly BlockWeight[], stacks: number): Value {
  const perStack = weights.length / stacks;
  const sizes = Array.from({ length: stacks }, () => 1);
  const stacked = (stacks === 1 ? [x] : ops.parts(g, x, 0, sizes)).map((part, at) => {
    const ofPart = weights.slice(at * perStack, (at + 1) * perStack);
    return beside(
      g,
      2,
      ofPart.map((weight) => multiplyBlocks(g, part, weight, null)),
    );
  });
  return beside(g, 0, stacked);
}

const beside = (g: GraphBuilder, axis: number, [first, ...rest]: readonly Value[]): Value =>
  rest.length === 0 ? first! : ops.concat(g, [first!, ...rest], axis);

/**
 * Of two biases. In float32, so that onnxruntime makes it when the session is made: it folds constants on the CPU, which adds no
 * float16 numbers. Rounded once, as a sum of float16 numbers is.
 */
export const biasSum =
  (type: ComputeType): Rewrite =>
  ({ g, lowered }, node) => {
    const [a, b] = node.inputs.map((value) => castWeight(g, lowered(value!), "float32"));
    return castWeight(g, g.weightOp("Add", [a!, b!]), type);
  };

/** Rows that onnxruntime's BiasGelu is given: four numbers a thread, 256 threads a block. */
const GELU_ROWS = [4096, 2048, 1024];

/**
 * Of fewer numbers reshaping takes the CPU longer than it spares the GPU; of more the result, which Gelu writes over what it takes and
 * BiasGelu does not, is too much: in a batch, whose memory decides how many images it can have, sooner than for one image.
 */
const FEWEST_GELU_NUMBERS = 2 ** 21;
const mostGeluNumbers = (batch: number): number => (batch > 2 ? 2 ** 25 : 2 ** 26);

/**
 * GELU of a large feature map is onnxruntime's BiasGelu with zeros: four numbers are read and written at once, and it takes half of the
 * time of Gelu, by the same arithmetic.
 */
export const gelu: Rewrite = (context, node) => {
  const { g } = context;
  const x = inputOf(context, node, 0);
  const numbers = elementCount(x.shape);
  const width = GELU_ROWS.find((length) => numbers % length === 0);
  const isExact = textOf(node.attributes, "approximate") === "none";
  const pays = numbers >= FEWEST_GELU_NUMBERS && numbers <= mostGeluNumbers(x.shape[0] ?? 1);
  if (!isExact || width === undefined || !pays) return plainGelu(context, node);
  const rows = ops.reshape(g, x, [numbers / width, width]);
  const zeros = sharedZeros(g, [width], x.dtype as ComputeType);
  return ops.reshape(g, g.op("com.microsoft.BiasGelu", [rows, zeros]), x.shape);
};

const isBlockWeight = (rows: BoundWeight | Value): rows is BlockWeight => "value" in rows && inBlocks(rows);

/** Rows of a weight or of a bias: cut out of the file or, of int8 rows with scales, out of what was unpacked. */
function rowsOf(context: Rewriting, value: Value, from: number, to: number): BoundWeight | Value {
  const weight = context.weight(value);
  if (weight && !weight.rowScales) return bindRows(context.g, weight, from, to);
  const [axis, start, end] = [ops.int(0), ops.int(from), ops.int(to)];
  return context.g.weightOp("Slice", [context.lowered(value)], { axis, start, end });
}

function castRows(g: GraphBuilder, rows: BoundWeight | Value, type: ComputeType): Value {
  return castWeight(g, "value" in rows ? rows.value : rows, type);
}

const fusedMatMul = (g: GraphBuilder, x: Value, weight: Value): Value => g.op("com.microsoft.FusedMatMul", [x, weight]);

const withBias = (g: GraphBuilder, product: Value, bias: Value | null): Value =>
  bias ? ops.add(g, product, castTo(g, bias, product.dtype as ComputeType)) : product;

/** Two feature maps, or tokens, and a bias, in one pass: (B, H, W, C) or (B, N, C) each, and (C). */
export const sumWithBias: Rewrite = (context, node: Node) => {
  const { g } = context;
  const [x, skip, bias] = [inputOf(context, node, 0), inputOf(context, node, 1), inputOf(context, node, 2)];
  const flat = (value: Value): Value =>
    value.shape.length === 3 ? value : ops.reshape(g, value, [x.shape[0] ?? 0, -1, x.shape.at(-1) ?? 0]);
  const sum = g.op("com.microsoft.BiasAdd", [flat(x), bias, flat(skip)]);
  return x.shape.length === 3 ? sum : ops.reshape(g, sum, x.shape);
};
