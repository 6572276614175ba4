/**
 * @module onnx/lower/cuda/group-norm
 * Group norms of channels-last feature maps: onnxruntime's GroupNorm and SkipGroupNorm, which add what is added before and
 * apply a SiLU behind, or their statistics (onnx/lower/cuda/statistics) where those do not take the number of channels.
 *
 * Letters: B batch, H and W sides, C channels, G groups.
 */

import type { GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { floatOf, intOf } from "../../shapes.ts";
import { castTo, castWeight } from "../decompositions.ts";
import type { Rewrite } from "../rewriting.ts";
import { sharedOnes, sharedZeros } from "../shared-constants.ts";
import { scaledAndShifted } from "./scale.ts";
import { scaledByStatistics } from "./statistics.ts";

/** Channels that a block of the kernel takes at most; each thread takes two. Source: onnxruntime, group_norm_impl.cu. */
const [MOST_CHANNELS, PER_THREAD] = [512, 2];

/** Does the kernel take so many channels? */
export function isSupported(channels: number, groups: number): boolean {
  const perGroup = channels / groups;
  return perGroup % PER_THREAD === 0 && perGroup <= MOST_CHANNELS;
}

/** A norm, all operands lowered. */
interface Norm {
  /** (B, H, W, C) */
  readonly x: Value;
  /** (C), or (B, C), or (B, 1, 1, C). */
  readonly weight: Value;
  readonly shift: Value;
  /** (B, H, W, C) or (B, C), added first. */
  readonly skip: Value | null;
  /** (C), added first. */
  readonly bias: Value | null;
  readonly groups: number;
  readonly epsilon: number;
  readonly activation: boolean;
}

export const groupNorm: Rewrite = ({ g, lowered }, node) => {
  const [x, weight, shift, skip = null, bias = null] = node.inputs.map((value) => value && lowered(value));
  if (!x || !weight || !shift) throw new Error(`${node.name}: a group norm takes a feature map, weight and bias`);
  const [batch = 0, ...rest] = x.shape;
  const featureMap = rest.length === 3 ? x : ops.reshape(g, x, [batch, rest[0] ?? 0, 1, rest[1] ?? 0]);
  const normed = normalize(g, { ...normOf(node), x: featureMap, weight, shift, skip, bias });
  return featureMap === x ? normed : ops.reshape(g, normed, x.shape);
};

/** What was summed before the norm: its other result. */
export const groupSum: Rewrite = ({ g, lowered }, node) => {
  const [x, skip, bias = null] = node.inputs.map((value) => value && lowered(value));
  if (!x || !skip) throw new Error(`${node.name}: a sum takes two values`);
  if (isSupported(x.shape.at(-1) ?? 0, intOf(node.attributes, "groups"))) return g.op("SkipGroupSum", [x, skip]);
  return summed(g, x, skip, bias);
};

const normOf = ({ attributes }: Node): Pick<Norm, "groups" | "epsilon" | "activation"> => ({
  groups: intOf(attributes, "groups"),
  epsilon: floatOf(attributes, "epsilon"),
  activation: attributes["activation"] !== undefined && intOf(attributes, "activation") === 1,
});

function normalize(g: GraphBuilder, norm: Norm): Value {
  const { x, weight, groups } = norm;
  if (!isSupported(x.shape.at(-1) ?? 0, groups)) return normalizedByStatistics(g, norm);
  return weight.shape.length === 1 ? fused(g, norm) : affine(g, norm);
}

/** Weight and bias (C). */
function fused(g: GraphBuilder, { x, weight, shift, skip, bias, groups, epsilon, activation }: Norm): Value {
  const attributes = {
    groups: ops.int(groups),
    epsilon: ops.float(epsilon),
    activation: ops.int(activation ? 1 : 0),
    channels_last: ops.int(1),
  };
  const inputs = [x, inFloat32(g, weight), inFloat32(g, shift)];
  if (!skip) return g.op("com.microsoft.GroupNorm", inputs, attributes);
  return g.op("com.microsoft.SkipGroupNorm", [...inputs, skip, bias], attributes);
}

/** Of weights, the cast is done once, when the session is made. */
function inFloat32(g: GraphBuilder, value: Value): Value {
  return castWeight(g, value, "float32");
}

/** Weight and bias (B, C): normalised for all samples, then a product, a sum and the activation. */
function affine(g: GraphBuilder, norm: Norm): Value {
  const { x, weight, shift } = norm;
  const [batch = 0, , , channels = 0] = x.shape;
  if (batch === 1) {
    const flat = (value: Value): Value => ops.reshape(g, castTo(g, value, "float32"), [channels]);
    return fused(g, { ...norm, weight: flat(weight), shift: flat(shift) });
  }
  const plain = { weight: sharedOnes(g, [channels], "float32"), shift: sharedZeros(g, [channels], "float32") };
  const normal = fused(g, { ...norm, ...plain, activation: false });
  return activated(g, scaledAndShifted(g, normal, weight, shift), norm.activation);
}

function normalizedByStatistics(g: GraphBuilder, norm: Norm): Value {
  const { x, skip, bias, weight, shift, groups, epsilon } = norm;
  const whole = skip ? summed(g, x, skip, bias) : x;
  const scaled = scaledByStatistics(g, whole, { weight, shift, groups, epsilon });
  return activated(g, scaled, norm.activation);
}

function summed(g: GraphBuilder, x: Value, skip: Value, bias: Value | null): Value {
  const [batch = 0, channels = 0] = skip.shape;
  const whole = ops.add(g, x, skip.shape.length === 2 ? ops.reshape(g, skip, [batch, 1, 1, channels]) : skip);
  return bias ? ops.add(g, whole, bias) : whole;
}

const activated = (g: GraphBuilder, x: Value, activation: boolean): Value =>
  activation ? g.op("com.microsoft.QuickGelu", [x], { alpha: ops.float(1) }) : x;
