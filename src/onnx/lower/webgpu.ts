/**
 * @module onnx/lower/webgpu
 * The WebGPU provider (Dawn: Vulkan, Metal, Direct3D 12). The choices come from operations and whole networks of full size
 * measured on one NVIDIA H200 over Vulkan, and from the tiny networks run there and on a software Vulkan device.
 *
 * - MatMulNBits reaches a card's matrix units, MatMul and Conv do not: layers whose weights lie in blocks go through it.
 * - MatMul with a transposed weight is faster than Gemm(transB=1). The weight is transposed when it is used: doing so
 *   once beforehand would hold a second copy of all of them in the process.
 * - A convolution of 6 input channels gives garbage in float16; with two more channels of zeros it is right.
 * - GroupNormalization gave NaN in float16; InstanceNormalization over [batch, groups, rest] is right.
 * - MultiHeadAttention was right on that card (subgroups of 32) and wrong by up to 10 % on the software device (subgroups
 *   of 8) from some tens of queries on; products and a softmax are right on both. It is the default with weights in blocks
 *   alone, where the card was measured to be faster with it.
 */

import * as ops from "../ops.ts";
import type { GraphBuilder, Node, Value } from "../graph.ts";
import { intOf } from "../shapes.ts";
import { bindRows, inBlocks, multiplyBlocks } from "./blocks.ts";
import * as layout from "./channels-last.ts";
import { computedIn, inType, mixedTypes, unpackTo } from "./compute-type.ts";
import type { Lowered, Lowering, Rewrite, Rewriting } from "./lowering.ts";
import { plainAttention } from "./plain-attention.ts";
import * as spell from "./spellings.ts";
import { type WebgpuChoices, webgpuDefaults } from "./webgpu-choices.ts";
import { convolveBlocks, upsampleLast } from "./webgpu-convolution.ts";
import { groupNormLast } from "./webgpu-norm.ts";

/** Of attention, at one time: the picture decoder's at 1024 pixels would be 17 GB. */
const SCORES_BYTES = 2 ** 28;

/** @param type float16 where the network stands it: T5 and the upscaler's VAE exceed its range. */
export function webgpu(type: spell.ComputeType, choices: WebgpuChoices = webgpuDefaults.stored): Lowering {
  const rewrites: Readonly<Record<string, Rewrite>> = {
    ...mixedTypes,
    ...computedIn(type, {
      Linear: linear,
      Embedding: spell.embedding(type),
      Conv: conv,
      GroupNorm: spell.groupNorm,
      LayerNorm: spell.layerNorm,
      RmsNorm: spell.simplifiedLayerNorm,
      Attention: choices.attention === "fused" ? spell.attention : plainAttention(SCORES_BYTES),
    }),
    Silu: spell.silu,
    Gelu: spell.gelu,
    UpsampleNearest: spell.upsampleNearest,
  };
  const layouts = choices.weights === "blocks" ? channelsLast(type, choices, rewrites) : {};
  return {
    name: `webgpu in ${type}`,
    opset: 20,
    unpackWeight: unpackTo(type),
    rewrites: { ...rewrites, ...layouts },
  };
}

/** For networks with weights in blocks: the same operations on maps with their channels last. */
function channelsLast(
  type: spell.ComputeType,
  choices: WebgpuChoices,
  { Add, Sub, Mul, Div, Concat, Silu, Gelu, Conv, GroupNorm, UpsampleNearest }: Readonly<Record<string, Rewrite>>,
): Readonly<Record<string, Rewrite>> {
  const otherwise = (rewrite: Rewrite | undefined): Rewrite => rewrite ?? spell.unchanged;
  return {
    Add: layout.pairwise(otherwise(Add)),
    Sub: layout.pairwise(otherwise(Sub)),
    Mul: layout.pairwise(otherwise(Mul)),
    Div: layout.pairwise(otherwise(Div)),
    Concat: layout.concatenated(otherwise(Concat)),
    Silu: layout.mapwise(otherwise(Silu)),
    Gelu: layout.mapwise(otherwise(Gelu)),
    Linear: inType(type, (context, node) => {
      const weight = node.inputs[1] ? context.weight(node.inputs[1]) : undefined;
      return weight?.blockScales ? { later: () => linear(context, node) } : linear(context, node);
    }),
    Slice: inType(type, (context, node) => slicedLinear(context, node) ?? spell.unchanged(context, node)),
    Reshape: layout.reshaped,
    Transpose: layout.transposed,
    GroupNorm: inType(type, (context, node) => {
      const [x] = node.inputs;
      return x && context.isLast(x) ? groupNormLast(context, node, x, choices) : otherwise(GroupNorm)(context, node);
    }),
    UpsampleNearest: (context, node) => {
      const [x] = node.inputs;
      if (!x || !context.isLast(x)) return otherwise(UpsampleNearest)(context, node);
      return { later: () => upsampleLast(context, node, x) };
    },
    Conv: inType(type, (context, node) => {
      const weight = node.inputs[1] ? context.stored(node.inputs[1]) : undefined;
      if (!inBlocks(weight)) return otherwise(Conv)(context, node);
      return convolveBlocks(context, node, weight, choices.convolutions);
    }),
  };
}

/** A part of a linear layer's features is a product with a part of its rows, if those lie in blocks. */
function slicedLinear(context: Rewriting, node: Node): Value | undefined {
  const [x] = node.inputs;
  const layer = x && context.producer(x);
  const [input, parameter, bias] = layer?.op === "Linear" ? layer.inputs : [];
  const weight = parameter ? context.weight(parameter) : undefined;
  const isFeatures = x && intOf(node.attributes, "axis") === x.shape.length - 1;
  if (!input || !weight?.blockScales || !isFeatures) return undefined;
  const [from, to] = [intOf(node.attributes, "start"), intOf(node.attributes, "end")];
  const bound = bindRows(context.g, weight, from, to);
  if (!inBlocks(bound)) return undefined;
  const storedBias = bias ? context.weight(bias) : undefined;
  const ownBias = storedBias ? bindRows(context.g, storedBias, from, to).value : null;
  return multiplyBlocks(context.g, context.lowered(input), bound, ownBias);
}

function linear(context: Rewriting, node: Node): Value {
  const { g } = context;
  const [x, bias] = [spell.inputOf(context, node, 0), node.inputs[2]];
  const stored = node.inputs[1] ? context.stored(node.inputs[1]) : undefined;
  if (inBlocks(stored)) return multiplyBlocks(g, x, stored, bias ? context.lowered(bias) : null);
  const weight = g.weightOp("Transpose", [spell.inputOf(context, node, 1)], { perm: ops.ints([1, 0]) }); // (I, O)
  const product = ops.matMul(g, x, weight);
  return bias ? ops.add(g, product, context.lowered(bias)) : product;
}

/** The number of channels that goes wrong, and the next that does not. */
const [WRONG_CHANNELS, RIGHT_CHANNELS] = [6, 8];

function conv(context: Rewriting, node: Node): Lowered {
  const { g } = context;
  const [x, weight] = [spell.inputOf(context, node, 0), spell.inputOf(context, node, 1)];
  if (x.shape[1] !== WRONG_CHANNELS) return spell.unchanged(context, node);
  const padded = [x, weight].map((value) => withZeroChannels(g, value, RIGHT_CHANNELS - WRONG_CHANNELS));
  const bias = node.inputs[2];
  return g.op("Conv", [...padded, bias ? context.lowered(bias) : null], node.attributes);
}

/** More input channels, all zero, for a picture (B, C, H, W) or a kernel (O, C, h, w). */
function withZeroChannels(g: GraphBuilder, value: Value, more: number): Value {
  const zero = spell.castTo(g, g.constant(new Float32Array(1), [1, 1, 1, 1]), value.dtype as spell.ComputeType);
  const zeros = ops.expand(
    g,
    zero,
    value.shape.map((side, axis) => (axis === 1 ? more : side)),
  );
  return ops.concat(g, [value, zeros], 1);
}
