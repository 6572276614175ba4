/**
 * @module onnx/lower/webgpu/group-norm
 * Group normalisation of channels-last feature maps, in two ways: the feature map is transposed so that groups lie together,
 * normalised by InstanceNormalization and transposed back; or it stays as it is, and mean and variance come from means over
 * pieces of some pixels. The first passes over the feature map four times, the second twice, but takes some fifteen small
 * operations. In both, weight and bias are BatchNormalization's: one pass, where a product and a sum are two.
 *
 * Letters: B batch, N pixels, C channels, G groups, P pieces.
 */

import type { GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { floatOf, intOf } from "../../shapes.ts";
import type { ChannelsLast, Rewriting } from "../rewriting.ts";
import { onChannelsLast } from "./channels-last.ts";
import { sharedOnes, sharedZeros } from "../shared-constants.ts";
import { type ComputeType, castTo } from "../decompositions.ts";
import type { WebgpuChoices } from "./variants.ts";

/** Pixels of a piece at most: few enough for onnxruntime to sum each in one thread, in float32. */
const PIECE = 64;

/** @param x the node's feature map, as the network has it: (B, C, ...). */
export function groupNormChannelsLast(
  { g, rows, lowered }: Rewriting,
  node: Node,
  x: Value,
  { piecesFrom }: Pick<WebgpuChoices, "piecesFrom">,
): ChannelsLast {
  const [batch = 0, channels = 0] = x.shape;
  const [weight, bias] = node.inputs.slice(1).map((value) => value && lowered(value));
  if (!weight || !bias) throw new Error(`${node.name}: group normalisation takes weight and bias`);
  const featureMap = ops.reshape(g, rows(x), [-1, batch * channels]); // (N, B·C)
  const [pixels = 0] = featureMap.shape;
  const groups = intOf(node.attributes, "groups");
  const norm = { batch, channels, groups, epsilon: floatOf(node.attributes, "epsilon"), weight, bias };
  const length = pieceLength(pixels);
  const inPieces = pixels * batch * channels >= piecesFrom && length > 1;
  const normed = inPieces ? normalizeInPieces(g, featureMap, length, norm) : normalizeTogether(g, featureMap, norm);
  return { rows: ops.reshape(g, normed, [-1, channels]), kind: "featureMap" };
}

/** The longest that divides the pixels: a power of two. */
function pieceLength(pixels: number): number {
  let length = PIECE;
  while (pixels % length !== 0) length /= 2;
  return length;
}

interface Norm {
  readonly batch: number;
  readonly channels: number;
  readonly groups: number;
  readonly epsilon: number;
  /** (C) or (B, C), as is the bias. */
  readonly weight: Value;
  readonly bias: Value;
}

function normalizeTogether(g: GraphBuilder, featureMap: Value, norm: Norm): Value {
  const type = featureMap.dtype as ComputeType;
  const { batch, channels, groups, epsilon } = norm;
  const turned = ops.transpose(g, featureMap, [1, 0]); // (B·C, N)
  const together = ops.reshape(g, turned, [batch, groups, -1]); // (B, G, C/G·N)
  const plain = [sharedOnes(g, [groups], type), sharedZeros(g, [groups], type)];
  const normal = g.op("InstanceNormalization", [together, ...plain], { epsilon: ops.float(epsilon) });
  const back = ops.transpose(g, ops.reshape(g, normal, turned.shape), [1, 0]); // (N, B·C)
  const ofColumns = (value: Value): Value => perColumn(g, castTo(g, value, type), norm);
  return scaleColumns(g, back, {
    mean: sharedZeros(g, [batch * channels], type),
    factor: ofColumns(norm.weight),
    bias: ofColumns(norm.bias),
  });
}

/** (C) or (B, C) -> (B·C). */
function perColumn(g: GraphBuilder, value: Value, { batch, channels }: Norm): Value {
  const whole = value.shape.length === 2 || batch === 1;
  return ops.reshape(g, whole ? value : ops.expand(g, value, [batch, channels]), [-1]);
}

/** (x - mean)·factor + bias in one pass, each of the three one number per column of (N, columns). */
function scaleColumns(
  g: GraphBuilder,
  featureMap: Value,
  { mean, factor, bias }: Record<"mean" | "factor" | "bias", Value>,
): Value {
  const [, columns = 0] = featureMap.shape;
  const ones = sharedOnes(g, [columns], featureMap.dtype as ComputeType);
  const inFourAxes = ops.reshape(g, featureMap, [1, 1, -1, columns]);
  const scaled = onChannelsLast(g, "BatchNormalization", [inFourAxes, factor, bias, mean, ones], {
    epsilon: ops.float(0),
  });
  return ops.reshape(g, scaled, [-1, columns]);
}

/** (x - mean) / √(mean(x²) - mean² + ε), both means summed in float32. */
function normalizeInPieces(g: GraphBuilder, featureMap: Value, length: number, norm: Norm): Value {
  const { batch, channels, groups, epsilon } = norm;
  const type = featureMap.dtype as ComputeType;
  const pieces = ops.reshape(g, featureMap, [-1, length, batch * channels]); // (P, length, B·C)
  const over = (op: string): Value => castTo(g, g.op(op, [pieces], { axis: ops.int(1) }), "float32"); // (P, B·C)
  const byGroup = (value: Value): Value => ops.reshape(g, ops.transpose(g, value, [1, 0]), [batch * groups, -1]); // (B·G, C/G·P)
  const means = byGroup(over("ReduceMean"));
  const lengths = byGroup(over("ReduceL2")); // not sums of squares: those may exceed float16
  const mean = ops.mean(g, means); // (B·G, 1)
  const count = length * (lengths.shape[1] ?? 0);
  const square = ops.scale(g, g.op("ReduceSumSquare", [lengths]), 1 / count); // (B·G, 1)
  const variance = ops.sub(g, square, ops.mul(g, mean, mean));
  const deviation = ops.sqrt(g, ops.add(g, variance, g.scalar(epsilon)));
  const inGroups = (value: Value): Value => ops.reshape(g, value, [-1, groups, channels / groups]);
  const factor = ops.div(g, inGroups(castTo(g, norm.weight, "float32")), ops.reshape(g, deviation, [batch, groups, 1]));
  const spread = ops.expand(g, mean, [batch * groups, channels / groups]);
  const column = (value: Value): Value => castTo(g, ops.reshape(g, value, [-1]), type);
  const bias = perColumn(g, castTo(g, norm.bias, type), norm);
  return scaleColumns(g, featureMap, { mean: column(spread), factor: column(factor), bias });
}
