/**
 * @module onnx/lower/cuda/enlarged-phases
 * A 3x3 convolution of a feature map that was enlarged to twice its sides by nearest neighbours, computed on the small map with 4/9 of
 * the products.
 *
 * 1. Rows 2i of the result see the small map's rows i-1, i, i; rows 2i+1 its rows i, i, i+1. So the rows k0, k1, k2 of the kernel
 *    become k0, k1+k2 over i-1 and i, or k0+k1, k2 over i and i+1; columns likewise. Each of the four phases (row and column, even or
 *    odd) has a 2x2 kernel of such sums: one product of the kernel with ones and zeros makes all four, summed in float32 and rounded
 *    to float16 once.
 * 2. Side by side they are one convolution with four times the outputs and a border of one pixel: the result's pixel (i+a, j+b) holds
 *    the phase (a, b) of the enlarged pixel (2i+a, 2j+b).
 * 3. A table of indices gathers the phases in their places, in one pass.
 *
 * The product is made at each step, on the GPU: onnxruntime folds constants on the CPU, which has no product of float16 numbers.
 * A pass says which convolutions of a network are taken so: all that have pixels enough, or none.
 *
 * Letters: B batch, H and W sides of the small feature map, C and O channels.
 */

import { elementCount } from "../../../math/tensor.ts";
import type { GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { intsOf } from "../../shapes.ts";
import type { ComputeType } from "../decompositions.ts";
import type { Pass } from "../lower.ts";
import type { Rewrite, Rewriting } from "../rewriting.ts";
import { sharedConstant, sharedIndices, sharedZeros } from "../shared-constants.ts";
import { enlargedFrom } from "./tap-products.ts";
import type { CudaChoices, PhaseLimits } from "./variants.ts";

const TAPS = 3 ** 2;
const PHASES = 2 ** 2;
const PHASE_TAPS = 2 ** 2;

/** Names the convolutions that are computed so, if none of those with so many pixels has fewer channels. */
export const convolutionsInPhases = ({ pixels, channels }: PhaseLimits): Pass => ({
  name: "phases",
  run: (graph) => {
    const makers = new Map(graph.nodes.map((node) => [node.output.name, node]));
    const producer = (value: Value): Node | undefined => makers.get(value.name);
    const large = graph.nodes.filter((node) => {
      const source = enlargedTwofold({ producer }, node);
      return source !== undefined && elementCount(source.shape.slice(0, 3)) >= pixels;
    });
    if (large.some(({ inputs: [x] }) => (x?.shape[3] ?? 0) < channels)) return graph;
    const inPhases = new Set(large);
    const nodes = graph.nodes.map((node) => (inPhases.has(node) ? { ...node, op: "ConvInPhases" } : node));
    return { ...graph, nodes };
  },
});

/** (B, 2H, 2W, C) -> (B, 2H, 2W, O), bias included. Where that cannot be, as `convolve` does it. */
export const convolveInPhases =
  (type: ComputeType, { folds }: CudaChoices, convolve: Rewrite): Rewrite =>
  (context, node) => {
    const { g, lowered, weight } = context;
    const [enlarged, kernel, bias] = node.inputs;
    const source = enlarged && enlargedFrom(context, enlarged);
    const isFolded = folds && type === "float32"; // the kernels would be turned twice
    if (!source || !kernel || isFolded || weight(kernel)?.blockScales) return convolve(context, node);
    const [outputs = 0] = kernel.shape;
    const isConstant = bias ? folds || weight(bias)?.dtype === type : false;
    const ownBias = bias ? lowered(bias) : null;
    const fourBiases =
      ownBias && isConstant
        ? g.weightOp("Concat", [ownBias, ownBias, ownBias, ownBias], { axis: ops.int(0) })
        : sharedZeros(g, [PHASES * outputs], type);
    const phases = g.op("ConvOfKernelLast", [lowered(source), phaseKernels(g, lowered(kernel), type), fourBiases], {
      strides: ops.ints([1, 1]),
      pads: ops.ints([1, 1, 1, 1]),
    });
    const result = inPlaces(g, phases, outputs);
    return ownBias && !isConstant ? ops.add(g, result, ownBias) : result;
  };

/** What was enlarged to twice its sides for a convolution of each pixel and the eight around it. */
function enlargedTwofold(context: Pick<Rewriting, "producer">, node: Node): Value | undefined {
  const [enlarged, kernel] = node.inputs;
  if (node.op !== "ConvNhwc" || kernel?.shape.slice(2).join() !== "3,3") return undefined;
  const source = enlarged && enlargedFrom(context, enlarged);
  if (!source) return undefined;
  const isTwofold = [1, 2].every((axis) => enlarged.shape[axis] === 2 * (source.shape[axis] ?? 0));
  const stepsByOne = intsOf(node.attributes, "strides").every((stride) => stride === 1);
  return isTwofold && stepsByOne && intsOf(node.attributes, "pads").every((pad) => pad === 1) ? source : undefined;
}

/** (O, C, 3, 3) -> (4·O, 2, 2, C), phase by phase. */
function phaseKernels(g: GraphBuilder, kernel: Value, type: ComputeType): Value {
  const [outputs = 0, channels = 0] = kernel.shape;
  const reshaped = (x: Value, shape: readonly number[]): Value =>
    g.weightOp("Reshape", [x], { shape: ops.ints(shape) });
  const sums = sharedConstant(g, "taps of the phases", [PHASES * PHASE_TAPS, TAPS], type, (at) =>
    isSummed(Math.floor(at / TAPS), at % TAPS) ? 1 : 0,
  );
  const product = g.weightOp("com.microsoft.FusedMatMul", [sums, reshaped(kernel, [outputs * channels, TAPS])]);
  const first = reshaped(product, [PHASES, PHASE_TAPS, outputs, channels]);
  const turned = g.weightOp("Transpose", [first], { perm: ops.ints([0, 2, 1, 3]) });
  return reshaped(turned, [PHASES * outputs, 2, 2, channels]);
}

/** @param row a phase and one of its taps: which row and column of four each, from the highest bit on. @param tap of the kernel. */
function isSummed(row: number, tap: number): boolean {
  const [phase, phaseTap] = [Math.floor(row / PHASE_TAPS), row % PHASE_TAPS];
  const meets = (odd: number, place: number, at: number): boolean => Math.floor((at + 1 + odd) / 2) - odd === place;
  return (
    meets(phase >> 1, phaseTap >> 1, Math.floor(tap / 3)) && // of the rows
    meets(phase & 1, phaseTap & 1, tap % 3)
  );
}

/** (B, H+1, W+1, 4·O) -> (B, 2H, 2W, O) */
function inPlaces(g: GraphBuilder, phases: Value, outputs: number): Value {
  const [batch = 0, rows = 0, columns = 0] = phases.shape;
  const [height, width] = [2 * (rows - 1), 2 * (columns - 1)];
  const places = sharedIndices(g, `places of phases ${height},${width}`, height * width, (at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    const phase = 2 * (row % 2) + (column % 2);
    return (Math.ceil(row / 2) * columns + Math.ceil(column / 2)) * PHASES + phase;
  });
  const flat = ops.reshape(g, phases, [batch, rows * columns * PHASES, outputs]);
  return ops.reshape(g, ops.gather(g, flat, places, 1), [batch, height, width, outputs]);
}
