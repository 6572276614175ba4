/**
 * @module onnx/lower/shared-constants
 * Constants that many layers of a lowered graph use: tables of indices, zeros.
 */

import { elementCount } from "../../math/tensor.ts";
import type { GraphBuilder, Value } from "../graph.ts";
import type { ComputeType } from "./spellings.ts";

const shared = new WeakMap<GraphBuilder, Map<string, Value>>();

function once(g: GraphBuilder, key: string, make: () => Value): Value {
  const known = shared.get(g) ?? new Map<string, Value>();
  shared.set(g, known);
  const value = known.get(key) ?? make();
  known.set(key, value);
  return value;
}

/** int32 numbers, shape (count), in the order in which `write` fills them in. @param key of numbers that are the same. */
export function sharedIndices(
  g: GraphBuilder,
  key: string,
  count: number,
  write: (fill: (value: number) => void) => void,
): Value {
  return once(g, key, () => {
    const numbers = new Int32Array(count);
    let at = 0;
    write((value) => (numbers[at++] = value));
    if (at !== count) throw new Error(`${at} indices for ${count}: ${key}`);
    return g.constant(numbers, [count]);
  });
}

export const sharedZeros = (g: GraphBuilder, shape: readonly number[], type: ComputeType): Value =>
  once(g, `zeros ${shape.join()} ${type}`, () => {
    const count = elementCount(shape);
    return g.constant(type === "float16" ? new Uint16Array(count) : new Float32Array(count), shape);
  });
