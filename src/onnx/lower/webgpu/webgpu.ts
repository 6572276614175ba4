/**
 * @module onnx/lower/webgpu/webgpu
 * The WebGPU provider (Dawn: Vulkan, Metal, Direct3D 12). The choices come from operations and whole networks of full size
 * measured on NVIDIA H200 and H100 over Vulkan, and from the tiny networks run there and on a software Vulkan device.
 *
 * - MatMulNBits reaches a GPU's matrix units, MatMul and Conv do not: layers whose weights lie in blocks go through it.
 * - MatMul with a transposed weight is faster than Gemm(transB=1). The weight is transposed when it is used: doing so
 *   once beforehand would hold a second copy of all of them in the process.
 * - A convolution of 6 input channels gives garbage in float16; with two more channels of zeros it is right.
 * - GroupNormalization gave NaN in float16; InstanceNormalization over [batch, groups, rest] is right.
 * - MultiHeadAttention was right on that GPU (subgroups of 32) and wrong by up to 10 % on the software device (subgroups
 *   of 8) from some tens of queries on; products and a softmax are right on both. It is the default with weights in blocks
 *   alone, where the GPU was measured to be faster with it, but for wide heads.
 */

import * as ops from "../../ops.ts";
import type { GraphBuilder, Node, Value } from "../../graph.ts";
import { intOf } from "../../shapes.ts";
import { bindRows, inBlocks, multiplyBlocks } from "../block-weights.ts";
import { computedIn, inType, mixedTypes, keepFloat16, unpackTo } from "../compute-type.ts";
import { fusedLinear } from "../fused-linear.ts";
import type { Lowering } from "../lower.ts";
import type { Lowered, ChannelsLast, Rewrite, Rewriting } from "../rewriting.ts";
import * as layout from "./channels-last.ts";
import { unfusedAttention } from "./unfused-attention.ts";
import { normOfSum, summedForNorm } from "./skip-layer-norm.ts";
import * as decompose from "../decompositions.ts";
import { type WebgpuChoices, webgpuDefaults } from "./variants.ts";
import { convolveBlocks, upsampleChannelsLast } from "./convolution.ts";
import { convolveFew } from "./few-channels.ts";
import { groupNormChannelsLast } from "./group-norm.ts";

/** Of attention, at one time: the image decoder's at 1024 pixels would be 17 GB. */
const SCORES_BYTES = 2 ** 28;

/** @param type float16 where the network stands it: T5 and the upscaler's VAE exceed its range. */
export function webgpu(type: decompose.ComputeType, choices: WebgpuChoices = webgpuDefaults.stored): Lowering {
  const rewrites: Readonly<Record<string, Rewrite>> = {
    ...mixedTypes,
    ...computedIn(type, {
      Linear: linear,
      Embedding: decompose.embedding(type),
      Conv: conv,
      GroupNorm: decompose.groupNorm,
      LayerNorm: decompose.layerNorm,
      RmsNorm: decompose.simplifiedLayerNorm,
      Attention: attention(choices),
    }),
    Cast: keepFloat16,
    Silu: decompose.silu,
    Gelu: decompose.gelu,
    RepeatBatch: decompose.repeatBatch,
    UpsampleNearest: decompose.upsampleNearest,
  };
  const layouts = choices.weights === "blocks" ? inRows(type, choices, rewrites) : {};
  return {
    name: `webgpu in ${type}`,
    opset: 20,
    unpackWeight: unpackTo(type),
    rewrites: { ...rewrites, ...layouts },
  };
}

/** From so many numbers a head on, the fused operation was the slower one, where keys could be read in fours. */
const WIDE_HEAD = 128;

function attention({ attention: way }: WebgpuChoices): Rewrite {
  const plain = unfusedAttention(SCORES_BYTES);
  return (context, node) => {
    const width = (node.output.shape.at(-1) ?? 0) / intOf(node.attributes, "heads");
    const keys = decompose.inputOf(context, node, 1).shape[1] ?? 0;
    const isWide = width >= WIDE_HEAD && keys % 4 === 0;
    return way === "plain" || isWide ? plain(context, node) : decompose.attention(context, node);
  };
}

/** For networks with weights in blocks: the same operations on feature maps and channels-last tokens. */
function inRows(
  type: decompose.ComputeType,
  choices: WebgpuChoices,
  rewrites: Readonly<Record<string, Rewrite>>,
): Readonly<Record<string, Rewrite>> {
  const otherwise = (op: string): Rewrite => rewrites[op] ?? decompose.unchanged;
  const each = (names: readonly string[], how: (rewrite: Rewrite) => Rewrite): Record<string, Rewrite> =>
    Object.fromEntries(names.map((op) => [op, how(otherwise(op))]));
  return {
    ...each(["Sub", "Mul", "Div"], layout.pairwise),
    Add: inType(type, (context, node) => {
      const inOne = shiftedConvolution(context, node) ?? summedForNorm(context, node);
      return inOne ?? layout.pairwise(otherwise("Add"))(context, node);
    }),
    ...each(["Silu", "Gelu", "LeakyRelu"], layout.rowwise),
    LayerNorm: inType(
      type,
      (context, node) => normOfSum(context, node) ?? layout.rowwise(otherwise("LayerNorm"))(context, node),
    ),
    Concat: layout.concatenated(otherwise("Concat")),
    Reshape: layout.reshaped,
    Transpose: layout.transposed,
    Linear: inType(type, (context, node) => {
      const rowed = layout.rowwise(linear);
      const weight = node.inputs[1] ? context.weight(node.inputs[1]) : undefined;
      if (!weight?.blockScales) return rowed(context, node);
      return { later: () => settled(rowed(context, node)) };
    }),
    Slice: inType(type, (context, node) => slicedLinear(context, node) ?? decompose.unchanged(context, node)),
    Attention: inType(type, layout.attended(otherwise("Attention"))),
    GroupNorm: inType(type, (context, node) => {
      const [x] = node.inputs;
      if (!x || context.kindOf(x) !== "featureMap") return otherwise("GroupNorm")(context, node);
      return groupNormChannelsLast(context, node, x, choices);
    }),
    AveragePool: layout.pooled,
    RepeatBatch: layout.repeated(otherwise("RepeatBatch")),
    UpsampleNearest: (context, node) => {
      const [x] = node.inputs;
      if (!x || context.kindOf(x) !== "featureMap") return otherwise("UpsampleNearest")(context, node);
      return { later: () => upsampleChannelsLast(context, node, x) };
    },
    Conv: inType(type, (context, node) => {
      const weight = node.inputs[1] ? context.stored(node.inputs[1]) : undefined;
      if (inBlocks(weight)) {
        const convolve = (): ChannelsLast => convolveBlocks(context, node, weight);
        return shiftOf(context, node) ? { later: convolve } : convolve();
      }
      return convolveFew(context, node) ?? otherwise("Conv")(context, node);
    }),
  };
}

function settled(result: Lowered): Value | ChannelsLast {
  return "later" in result ? result.later() : result;
}

/** What alone is done with a convolution's result: to each output a number is added, the same for all samples. */
function shiftOf({ consumers }: Rewriting, convolution: Node): Value | undefined {
  const result = convolution.output;
  const [taker, ...others] = consumers(result);
  if (taker?.op !== "Add" || others.length > 0 || taker.inputs[0] !== result) return undefined;
  const [, shift] = taker.inputs;
  return shift?.shape.join() === [1, result.shape[1], 1, 1].join() ? shift : undefined;
}

/** A convolution and a shift: it is a bias. */
function shiftedConvolution(context: Rewriting, node: Node): ChannelsLast | undefined {
  const { g } = context;
  const convolution = node.inputs[0] ? context.producer(node.inputs[0]) : undefined;
  const shift = convolution?.op === "Conv" ? shiftOf(context, convolution) : undefined;
  const weight = shift && convolution?.inputs[1] ? context.stored(convolution.inputs[1]) : undefined;
  if (!convolution || !shift || !inBlocks(weight)) return undefined;
  const [, , bias] = convolution.inputs;
  const flatShift = ops.reshape(g, context.lowered(shift), [shift.shape[1] ?? 0]);
  return convolveBlocks(context, convolution, weight, bias ? ops.add(g, flatShift, context.lowered(bias)) : flatShift);
}

/** A part of a linear layer's features is a product with a part of its rows, if those lie in blocks. */
function slicedLinear(context: Rewriting, node: Node): Lowered | undefined {
  const [x] = node.inputs;
  const layer = x && context.producer(x);
  const [input, parameter, bias] = layer?.op === "Linear" ? layer.inputs : [];
  const weight = parameter ? context.weight(parameter) : undefined;
  const isFeatures = x && intOf(node.attributes, "axis") === x.shape.length - 1;
  if (!layer || !input || !weight?.blockScales || !isFeatures) return undefined;
  const [from, to] = [intOf(node.attributes, "start"), intOf(node.attributes, "end")];
  const kind = context.kindOf(input);
  const rows = kind ? context.rows(input, kind) : context.lowered(input);
  const fused = fusedLinear(context, layer, rows, [from, to]);
  if (fused) return kind ? { rows: fused, kind } : fused;
  const bound = bindRows(context.g, weight, from, to);
  if (!inBlocks(bound)) return undefined;
  const storedBias = bias ? context.weight(bias) : undefined;
  const ownBias = storedBias ? bindRows(context.g, storedBias, from, to).value : null;
  const product = multiplyBlocks(context.g, rows, bound, ownBias);
  return kind ? { rows: product, kind } : product;
}

function linear(context: Rewriting, node: Node): Value {
  const { g } = context;
  const [x, bias] = [decompose.inputOf(context, node, 0), node.inputs[2]];
  const fused = fusedLinear(context, node, x);
  if (fused) return fused;
  const stored = node.inputs[1] ? context.stored(node.inputs[1]) : undefined;
  if (inBlocks(stored)) return multiplyBlocks(g, x, stored, bias ? context.lowered(bias) : null);
  const weight = g.weightOp("Transpose", [decompose.inputOf(context, node, 1)], { perm: ops.ints([1, 0]) }); // (I, O)
  const product = ops.matMul(g, x, weight);
  return bias ? ops.add(g, product, context.lowered(bias)) : product;
}

/** The number of channels that goes wrong, and the next that does not. */
const [WRONG_CHANNELS, RIGHT_CHANNELS] = [6, 8];

function conv(context: Rewriting, node: Node): Lowered {
  const { g } = context;
  const [x, weight] = [decompose.inputOf(context, node, 0), decompose.inputOf(context, node, 1)];
  if (x.shape[1] !== WRONG_CHANNELS) return decompose.unchanged(context, node);
  const padded = [x, weight].map((value) => withZeroChannels(g, value, RIGHT_CHANNELS - WRONG_CHANNELS));
  const bias = node.inputs[2];
  return g.op("Conv", [...padded, bias ? context.lowered(bias) : null], node.attributes);
}

/** More input channels, all zero, for an image (B, C, H, W) or a kernel (O, C, h, w). */
function withZeroChannels(g: GraphBuilder, value: Value, more: number): Value {
  const zero = decompose.castTo(g, g.constant(new Float32Array(1), [1, 1, 1, 1]), value.dtype as decompose.ComputeType);
  const zeros = ops.expand(
    g,
    zero,
    value.shape.map((side, axis) => (axis === 1 ? more : side)),
  );
  return ops.concat(g, [value, zeros], 1);
}
