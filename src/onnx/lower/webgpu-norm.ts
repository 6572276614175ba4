/**
 * @module onnx/lower/webgpu-norm
 * Group normalisation of maps with their channels last, in two ways: groups are brought together, normalised by
 * InstanceNormalization and taken apart; or the map stays as it is, and mean and variance come from means over pieces of
 * 16 pixels. The first copies the map twice, the second takes some fifteen small operations.
 *
 * Letters: B batch, N pixels, C channels, G groups.
 */

import type { GraphBuilder, Node, Value } from "../graph.ts";
import * as ops from "../ops.ts";
import { floatOf, intOf } from "../shapes.ts";
import type { ChannelsLast, Rewriting } from "./lowering.ts";
import { type ComputeType, castTo, normalizeGroups } from "./spellings.ts";
import type { WebgpuChoices } from "./webgpu-choices.ts";

/** Pixels of a piece: few enough for onnxruntime to sum each in one thread, in float32. */
const PIECE = 16;

/** @param x the node's map, as the network has it: (B, C, ...). */
export function groupNormLast(
  context: Rewriting,
  node: Node,
  x: Value,
  { piecesFrom }: Pick<WebgpuChoices, "piecesFrom">,
): ChannelsLast {
  const map = context.last(x); // (B·N, C)
  const [rows = 0, channels = 0] = map.shape;
  const [batch = 0] = x.shape;
  const [weight, bias] = node.inputs.slice(1).map((value) => value && context.lowered(value));
  if (!weight || !bias) throw new Error(`${node.name}: group normalisation takes weight and bias`);
  const groups = intOf(node.attributes, "groups");
  const norm = { batch, channels, groups, epsilon: floatOf(node.attributes, "epsilon"), weight, bias };
  const inPieces = rows * channels >= piecesFrom && (rows / batch) % PIECE === 0;
  return { last: (inPieces ? normalizeInPieces : normalizeTogether)(context.g, map, norm) };
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

function normalizeTogether(
  g: GraphBuilder,
  map: Value,
  { batch, channels, groups, epsilon, weight, bias }: Norm,
): Value {
  const inGroups = ops.reshape(g, map, [batch, -1, groups, channels / groups]); // (B, N, G, C/G)
  const together = ops.transpose(g, inGroups, [0, 2, 1, 3]); // (B, G, N, C/G)
  const normal = normalizeGroups(g, together, groups, epsilon);
  const apart = ops.transpose(g, normal, [0, 2, 1, 3]); // (B, N, G, C/G)
  const perSample = weight.shape.length === 2;
  const normed = ops.reshape(g, apart, perSample ? [batch, -1, channels] : map.shape);
  const perChannel = (v: Value): Value => (perSample ? ops.reshape(g, v, [batch, 1, channels]) : v);
  const affine = ops.add(g, ops.mul(g, normed, perChannel(weight)), perChannel(bias));
  return perSample ? ops.reshape(g, affine, map.shape) : affine;
}

/** n = (x - mean) / √(mean(x²) - mean² + ε), so n·weight + bias is x·factor + (bias - mean·factor). */
function normalizeInPieces(g: GraphBuilder, map: Value, norm: Norm): Value {
  const { batch, channels, groups, epsilon, weight, bias } = norm;
  const type = map.dtype as ComputeType;
  const { means, squares } = moments(g, map, norm); // (B, G, 1) float32
  const variance = ops.sub(g, squares, ops.mul(g, means, means));
  const deviation = ops.sqrt(g, ops.add(g, variance, g.scalar(epsilon)));
  const inGroups = (v: Value): Value =>
    ops.reshape(g, castTo(g, v, "float32"), [v.shape.length === 2 ? batch : 1, groups, channels / groups]);
  const factor = ops.div(g, inGroups(weight), deviation); // (B, G, C/G)
  const shift = ops.sub(g, inGroups(bias), ops.mul(g, means, factor));
  const perChannel = (v: Value): Value => ops.reshape(g, castTo(g, v, type), [batch, 1, channels]);
  const pixels = ops.reshape(g, map, [batch, -1, channels]);
  return ops.reshape(g, ops.add(g, ops.mul(g, pixels, perChannel(factor)), perChannel(shift)), map.shape);
}

/** Means of x and of x² over each group; both are summed in float32. */
function moments(g: GraphBuilder, map: Value, { batch, channels, groups }: Norm): { means: Value; squares: Value } {
  const pieces = ops.reshape(g, map, [-1, PIECE, channels]); // (B·N/16, 16, C)
  const over = (op: string): Value => castTo(g, g.op(op, [pieces], { axis: ops.int(1) }), "float32"); // (B·N/16, C)
  const lengths = over("ReduceL2"); // not sums of squares: those may exceed float16
  const both = ops.concat(g, [over("ReduceMean"), ops.mul(g, lengths, lengths)], 0);
  const inGroups = ops.reshape(g, both, [2 * batch, -1, groups, channels / groups]);
  const together = ops.reshape(g, ops.transpose(g, inGroups, [0, 2, 1, 3]), [2 * batch, groups, -1]);
  const averages = ops.mean(g, together); // (2·B, G, 1)
  return {
    means: ops.slice(g, averages, 0, 0, batch),
    squares: ops.scale(g, ops.slice(g, averages, 0, batch, 2 * batch), 1 / PIECE),
  };
}
