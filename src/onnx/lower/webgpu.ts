/**
 * @module onnx/lower/webgpu
 * The WebGPU provider (Dawn: Vulkan, Metal, Direct3D 12). The choices come from single operations measured on one card
 * and from the tiny networks run on a software Vulkan device; whole networks lowered like this were not run on a card.
 *
 * - MatMul with a transposed weight is faster than Gemm(transB=1). The weight is transposed when it is used: doing so
 *   once beforehand would hold a second copy of all of them in the process.
 * - A convolution of 6 input channels gives garbage in float16; with two more channels of zeros it is right.
 * - GroupNormalization gave NaN in float16; InstanceNormalization over [batch, groups, rest] is right.
 * - MultiHeadAttention was right on that card (subgroups of 32) and wrong by up to 10 % on the software device (subgroups
 *   of 8) from some tens of queries on; products and a softmax are right on both.
 */

import * as ops from "../ops.ts";
import type { GraphBuilder, Node, Value } from "../graph.ts";
import { computedIn, mixedTypes, unpackTo } from "./compute-type.ts";
import type { Lowering, Rewriting } from "./lowering.ts";
import { plainAttention } from "./plain-attention.ts";
import * as spell from "./spellings.ts";

/** Of attention, at one time: the picture decoder's at 1024 pixels would be 17 GB. */
const SCORES_BYTES = 2 ** 28;

/** @param type float16 where the network stands it: T5 and the upscaler's VAE exceed its range. */
export function webgpu(type: spell.ComputeType): Lowering {
  return {
    name: `webgpu in ${type}`,
    opset: 20,
    unpackWeight: unpackTo(type),
    rewrites: {
      ...mixedTypes,
      ...computedIn(type, {
        Linear: linear,
        Embedding: spell.embedding(type),
        Conv: conv,
        GroupNorm: spell.groupNorm,
        LayerNorm: spell.layerNorm,
        RmsNorm: spell.simplifiedLayerNorm,
        Attention: plainAttention(SCORES_BYTES),
      }),
      Silu: spell.silu,
      Gelu: spell.gelu,
      UpsampleNearest: spell.upsampleNearest,
    },
  };
}

function linear(context: Rewriting, node: Node): Value {
  const { g } = context;
  const weight = g.weightOp("Transpose", [spell.inputOf(context, node, 1)], { perm: ops.ints([1, 0]) }); // (I, O)
  const product = ops.matMul(g, spell.inputOf(context, node, 0), weight);
  const bias = node.inputs[2];
  return bias ? ops.add(g, product, context.lowered(bias)) : product;
}

/** The number of channels that goes wrong, and the next that does not. */
const [WRONG_CHANNELS, RIGHT_CHANNELS] = [6, 8];

function conv(context: Rewriting, node: Node): Value {
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
