/**
 * @module onnx/lower/webgpu/channels-last
 * Feature maps (B, C, ...) and tokens (B, N, C) channels-last, as rows (N·B, C): some devices multiply a pixel's channels
 * fastest so. The samples of a pixel follow each other: then what belongs to one sample and channel is a column of (N, B·C), and
 * heads of all samples lie side by side as if they were one sample's. Feature maps and tokens are the same rows.
 *
 * Each rewrite here takes a node's operands as they lie: in rows if one of its inputs was made so, else as the rewrite that
 * it is given would.
 */

import { elementCount } from "../../../math/tensor.ts";
import type { Attributes, GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { intOf, intsOf } from "../../shapes.ts";
import { interleave } from "./interleave.ts";
import type { Lowered, ChannelsLast, Rewrite, Rewriting, ChannelsLastKind } from "../rewriting.ts";

/** (B, C, ...) or (B, N, C) -> (N·B, C). */
export function toChannelsLast(g: GraphBuilder, value: Value, kind: ChannelsLastKind): Value {
  const [batch = 0] = value.shape;
  if (kind === "tokens") {
    const channels = value.shape[2] ?? 0;
    return ops.reshape(g, batch === 1 ? value : ops.transpose(g, value, [1, 0, 2]), [-1, channels]);
  }
  const channels = value.shape[1] ?? 0;
  const pixels = ops.reshape(g, value, [batch, channels, -1]);
  return ops.reshape(g, ops.transpose(g, pixels, [2, 0, 1]), [-1, channels]);
}

/** (N·B, C) -> (B, C, ...) or (B, N, C), which is `shape`. */
export function fromChannelsLast(g: GraphBuilder, { rows, kind }: ChannelsLast, shape: readonly number[]): Value {
  const [batch = 0] = shape;
  if (kind === "tokens") {
    if (batch === 1) return ops.reshape(g, rows, shape);
    return ops.transpose(g, ops.reshape(g, rows, [-1, batch, shape[2] ?? 0]), [1, 0, 2]);
  }
  const [, channels = 0, ...sides] = shape;
  if (sides.length === 2) return ops.transpose(g, ops.reshape(g, rows, [...sides, batch, channels]), [2, 3, 0, 1]);
  return ops.reshape(g, ops.transpose(g, ops.reshape(g, rows, [-1, batch, channels]), [1, 2, 0]), shape);
}

/** The operation on (1, H, W, C), which ONNX describes on (1, C, H, W): the provider leaves out both turns. */
export function onChannelsLast(
  g: GraphBuilder,
  op: string,
  [x, ...others]: readonly [Value, ...(Value | null)[]],
  attributes: Attributes,
): Value {
  return g.op("ToChannelsLast", [g.op(op, [g.op("ToChannelsFirst", [x]), ...others], attributes)]);
}

/** What the first of a node's inputs that was made channels-last is rows of. */
const rowedInput = ({ kindOf }: Rewriting, node: Node): { value: Value; kind: ChannelsLastKind } | undefined => {
  for (const value of node.inputs) {
    const kind = value && kindOf(value);
    if (kind) return { value, kind };
  }
  return undefined;
};

const asRows = (result: Lowered, kind: ChannelsLastKind): Lowered =>
  "rows" in result || "later" in result ? result : { rows: result, kind };

/** Of one input, each number by itself or each row: the same operation, on rows. */
export const rowwise =
  (otherwise: Rewrite): Rewrite =>
  (context, node) => {
    const [x] = node.inputs;
    const kind = x ? context.kindOf(x) : undefined;
    if (!x || !kind) return otherwise(context, node);
    const lowered = (value: Value): Value => (value === x ? context.rows(x, kind) : context.lowered(value));
    return asRows(otherwise({ ...context, lowered }, node), kind);
  };

/** Of two inputs, number by number: two of one shape, or a feature map and what is the same for each of its pixels, or a number. */
export const pairwise =
  (otherwise: Rewrite): Rewrite =>
  (context, node) => {
    const { g } = context;
    const rowed = rowedInput(context, node);
    const shape = rowed?.value.shape ?? [];
    if (!rowed || shape.join() !== node.output.shape.join() || !node.inputs.every(isSpread(shape, rowed.kind))) {
      return otherwise(context, node);
    }
    const { kind } = rowed;
    const isWhole = (value: Value): boolean => value.shape.join() === shape.join();
    const [batch = 0, channels = 0] = shape;
    const perSample = node.inputs.some((value) => value?.shape[0] === batch && batch > 1 && !isWhole(value));
    const asLies = (value: Value): Value => {
      if (value.shape.length === 0) return context.lowered(value);
      if (!isWhole(value)) {
        const perChannel = ops.reshape(g, context.lowered(value), [value.shape[0] ?? 1, channels]);
        if (!perSample) return perChannel;
        return ops.reshape(
          g,
          value.shape[0] === batch ? perChannel : ops.expand(g, perChannel, [batch, channels]),
          [1, -1],
        );
      }
      return perSample ? ops.reshape(g, context.rows(value, kind), [-1, batch * channels]) : context.rows(value, kind);
    };
    const result = otherwise({ ...context, lowered: asLies }, node);
    if ("rows" in result || "later" in result) return result;
    return { rows: perSample ? ops.reshape(g, result, [-1, channels]) : result, kind };
  };

/** Is a value as large as the feature map, one number per channel (of each sample), or one number? */
const isSpread =
  (shape: readonly number[], kind: ChannelsLastKind) =>
  (value: Value | null): boolean => {
    if (!value || value.shape.length === 0 || value.shape.join() === shape.join()) return value !== null;
    const [batch, channels, ...rest] = value.shape;
    const perChannel = channels === shape[1] && elementCount(rest) === 1 && value.shape.length === shape.length;
    return kind === "featureMap" && (batch === 1 || batch === shape[0]) && perChannel;
  };

/** Along a feature map's channels, side by side; along tokens, one after the other. */
export const concatenated =
  (otherwise: Rewrite): Rewrite =>
  (context, node) => {
    const rowed = rowedInput(context, node);
    const rank = rowed?.kind === "featureMap" ? 4 : 3;
    if (!rowed || intOf(node.attributes, "axis") !== 1 || node.output.shape.length !== rank) {
      return otherwise(context, node);
    }
    const { kind } = rowed;
    const [first, second, ...others] = node.inputs;
    if (kind === "featureMap" && first && second && others.length === 0 && first.shape[1] === second.shape[1]) {
      const channels = first.shape[1] ?? 0;
      const alone = (value: Value): Value => ops.reshape(context.g, context.rows(value, kind), [-1, 1, channels]);
      const both = interleave(context.g, [alone(first), alone(second)]);
      return { rows: ops.reshape(context.g, both, [-1, 2 * channels]), kind };
    }
    const joined = { ...node, attributes: { axis: ops.int(kind === "featureMap" ? 1 : 0) } };
    return asRows(otherwise({ ...context, lowered: (value) => context.rows(value, kind) }, joined), kind);
  };

/** (B, C, H, W) <-> (B, C, H·W) changes nothing in rows. */
export const reshaped: Rewrite = (context, node) => {
  const [x] = node.inputs;
  const { shape } = node.output;
  const samePlace = x && x.shape.slice(0, 2).join() === shape.slice(0, 2).join() && shape.length > 2;
  if (samePlace && context.kindOf(x) === "featureMap") return { rows: context.rows(x), kind: "featureMap" };
  return context.g.op(node.op, [x ? context.lowered(x) : null], node.attributes);
};

/**
 * (B, C, N) <-> (B, N, C): what was a feature map is tokens, and the other way round.
 * (N, B, C) -> (B, N, C): rows as they lie, for a part of the network that was told to give them so (onnx/hoist).
 */
export const transposed: Rewrite = (context, node) => {
  const { g } = context;
  const [x] = node.inputs;
  const perm = intsOf(node.attributes, "perm").join();
  const kind = x && context.kindOf(x);
  if (x && kind && perm === "0,2,1")
    return { rows: context.rows(x, kind), kind: kind === "featureMap" ? "tokens" : "featureMap" };
  if (x && perm === "1,0,2") return { rows: ops.reshape(g, context.lowered(x), [-1, x.shape[2] ?? 0]), kind: "tokens" };
  return g.op(node.op, [x ? context.lowered(x) : null], node.attributes);
};

/** Heads of all samples side by side: attention of one sample, if there is no bias. */
export const attended =
  (otherwise: Rewrite): Rewrite =>
  (context, node) => {
    const { g } = context;
    const [q, , , bias] = node.inputs;
    if (!q || bias || context.kindOf(q) !== "tokens") return otherwise(context, node);
    const [batch = 0, , channels = 0] = q.shape;
    const lowered = (value: Value): Value =>
      ops.reshape(g, context.rows(value, "tokens"), [1, -1, batch * (value.shape[2] ?? 0)]);
    const heads = ops.int(batch * intOf(node.attributes, "heads"));
    const output = { ...node.output, shape: [1, q.shape[1] ?? 0, batch * channels] };
    const result = otherwise({ ...context, lowered }, { ...node, output, attributes: { ...node.attributes, heads } });
    if ("rows" in result || "later" in result) return result;
    return { rows: ops.reshape(g, result, [-1, channels]), kind: "tokens" };
  };

/** Means over windows: samples and channels are one axis. */
export const pooled: Rewrite = (context, node) => {
  const { g } = context;
  const [x] = node.inputs;
  if (!x || context.kindOf(x) !== "featureMap") return g.op(node.op, [x ? context.lowered(x) : null], node.attributes);
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const featureMap = ops.reshape(g, context.rows(x), [1, height, width, batch * channels]);
  return {
    rows: ops.reshape(g, onChannelsLast(g, node.op, [featureMap], node.attributes), [-1, channels]),
    kind: "featureMap",
  };
};

/** All samples again, of a pixel after those that it has. */
export const repeated =
  (otherwise: Rewrite): Rewrite =>
  (context, node) => {
    const { g } = context;
    const [x] = node.inputs;
    const kind = x && context.kindOf(x);
    if (!x || !kind) return otherwise(context, node);
    const rows = context.rows(x, kind);
    const [, channels = 0] = rows.shape;
    const pixels = ops.reshape(g, rows, [-1, 1, (x.shape[0] ?? 0) * channels]);
    const [count = 0, , width = 0] = pixels.shape;
    const all = ops.expand(g, pixels, [count, intOf(node.attributes, "times"), width]);
    return { rows: ops.reshape(g, all, [-1, channels]), kind };
  };
