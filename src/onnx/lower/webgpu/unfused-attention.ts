/**
 * @module onnx/lower/webgpu/unfused-attention
 * Attention in products and a softmax, for devices whose fused operation cannot be relied on. Many queries are taken in
 * blocks, so that the matrix of scores never exists as a whole.
 *
 * Letters: B batch, L queries, l queries of a block, S keys, H heads, D width of a head.
 */

import { valueBytes } from "../../memory.ts";
import type { GraphBuilder, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { floatOf, intOf } from "../../shapes.ts";
import type { Rewrite } from "../rewriting.ts";
import { inputsOf } from "../decompositions.ts";

/** @param scoresBytes about how large the scores of one block of queries may be. */
export const unfusedAttention =
  (scoresBytes: number): Rewrite =>
  (context, node) => {
    const { g } = context;
    const [q, k, v, bias] = inputsOf(context, node);
    if (!q || !k || !v) throw new Error(`${node.name}: attention takes queries, keys and values`);
    const heads = intOf(node.attributes, "heads");
    const scaled = ops.mul(g, q, scalarLike(g, q, floatOf(node.attributes, "scale"))); // before the product: it may overflow
    const queries = ops.transpose(g, inHeads(g, scaled, heads), [0, 2, 1, 3]); // (B, H, L, D)
    const keys = ops.transpose(g, inHeads(g, k, heads), [0, 2, 3, 1]); // (B, H, D, S)
    const values = ops.transpose(g, inHeads(g, v, heads), [0, 2, 1, 3]); // (B, H, S, D)
    const blocks = bounds(queries, keys, scoresBytes).map(([from, to]) => {
      const scores = ops.matMul(g, rows(g, queries, from, to), keys); // (B, H, l, S)
      const biased = bias ? ops.add(g, scores, rows(g, bias, from, to)) : scores;
      return ops.matMul(g, ops.softmax(g, biased), values); // (B, H, l, D)
    });
    const [first] = blocks;
    const mixed = blocks.length === 1 && first ? first : ops.concat(g, blocks, 2);
    return ops.reshape(g, ops.transpose(g, mixed, [0, 2, 1, 3]), node.output.shape);
  };

const scalarLike = (g: GraphBuilder, like: Value, number: number): Value =>
  like.dtype === "float16" ? ops.cast(g, g.scalar(number), "float16") : g.scalar(number);

/** (B, L, H·D) -> (B, L, H, D) */
function inHeads(g: GraphBuilder, x: Value, heads: number): Value {
  const [batch = 0, length = 0] = x.shape;
  return ops.reshape(g, x, [batch, length, heads, -1]);
}

/** Queries `from` to `to` of (B, H, L, any). */
const rows = (g: GraphBuilder, x: Value, from: number, to: number): Value =>
  to - from === x.shape[2] ? x : ops.slice(g, x, 2, from, to);

/** Blocks of about equal length, each of at most `scoresBytes` but one query at least. */
function bounds(queries: Value, keys: Value, scoresBytes: number): [number, number][] {
  const [, , length = 0] = queries.shape;
  const rowBytes = valueBytes({ ...queries, shape: [...queries.shape.slice(0, 2), keys.shape[3] ?? 0] });
  const count = Math.ceil(length / Math.max(1, Math.floor(scoresBytes / rowBytes)));
  const edge = (index: number): number => Math.floor((index * length) / count);
  return Array.from({ length: count }, (_, index) => [edge(index), edge(index + 1)]);
}
