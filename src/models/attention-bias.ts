/**
 * @module models/attention-bias
 * What text encoders add to attention scores to hide positions: the lowest float32, as in transformers, so that after
 * the softmax exactly 0 is left of a hidden position while another one is visible.
 *
 * Letters: B batch, L tokens.
 */

import type { GraphBuilder, Value } from "../onnx/graph.ts";
import * as ops from "../onnx/ops.ts";

const lowest = -3.4028234663852886e38;

/**
 * Hides padding.
 * @param attentionMask (B, L) int64: 1 = real token, 0 = padding.
 * @returns (B, 1, 1, L): 0 or the lowest float32.
 */
export function paddingBias(g: GraphBuilder, attentionMask: Value): Value {
  const [batch = 0, length = 0] = attentionMask.shape;
  // A look-up, not (1 - mask) · lowest: where float16 turns `lowest` into -Infinity, 0 · lowest would be NaN.
  const table = g.constant(Float32Array.of(lowest, 0), [2]);
  return ops.reshape(g, ops.gather(g, table, attentionMask, 0), [batch, 1, 1, length]);
}

/** Hides what comes later. @returns (1, 1, L, L), rows are queries. */
export function causalBias(g: GraphBuilder, length: number): Value {
  const bias = new Float32Array(length * length);
  for (let query = 0; query < length; query++) {
    bias.fill(lowest, query * length + query + 1, (query + 1) * length);
  }
  return g.constant(bias, [1, 1, length, length]);
}
