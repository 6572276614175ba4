/**
 * @module onnx/lower/shared-constants
 * What many layers of a lowered graph use and is made once: kernels of zeros and ones, tables of indices, zeros.
 */

import { float32ToFloat16 } from "../../math/half.ts";
import { elementCount } from "../../math/tensor.ts";
import type { ConstantData, GraphBuilder, Value } from "../graph.ts";
import type { ComputeType } from "./decompositions.ts";

const shared = new WeakMap<GraphBuilder, Map<string, readonly Value[]>>();

/** @param key of values that are the same in `g`. */
export function onceAll(g: GraphBuilder, key: string, make: () => readonly Value[]): readonly Value[] {
  const byKey = shared.get(g) ?? new Map<string, readonly Value[]>();
  shared.set(g, byKey);
  const values = byKey.get(key) ?? make();
  byKey.set(key, values);
  return values;
}

/** The same for one value. */
export function once(g: GraphBuilder, key: string, make: () => Value): Value {
  const [value] = onceAll(g, key, () => [make()]);
  return value!;
}

/** @param key of numbers that are the same. @param number the one at an index. */
export function sharedConstant(
  g: GraphBuilder,
  key: string,
  shape: readonly number[],
  type: ComputeType,
  number: (at: number) => number,
): Value {
  return once(g, `${key} ${type}`, () => {
    const numbers = filled(new Float32Array(elementCount(shape)), number);
    const data: ConstantData = type === "float16" ? float32ToFloat16(numbers) : numbers;
    return g.constant(data, shape);
  });
}

/**
 * The same matrix so many times: (count, rows, columns), zeros and ones. @param key of numbers that are the same.
 * @param places of the matrix's ones, row · columns + column.
 */
export function sharedMatrices(
  g: GraphBuilder,
  key: string,
  [count, rows, columns]: readonly [number, number, number],
  type: ComputeType,
  places: () => Iterable<number>,
): Value {
  const shape = [count, rows, columns];
  return once(g, `${key} ${shape.join()} ${type}`, () => {
    const matrix = rows * columns;
    const numbers = type === "float16" ? new Uint16Array(count * matrix) : new Float32Array(count * matrix);
    const one = type === "float16" ? HALF_ONE : 1;
    for (const place of places()) numbers[place] = one;
    for (let at = 1; at < count; at++) numbers.copyWithin(at * matrix, 0, matrix);
    return g.constant(numbers, shape);
  });
}

const HALF_ONE = 0x3c00; // 1 as float16

export const sharedZeros = (g: GraphBuilder, shape: readonly number[], type: ComputeType): Value =>
  sharedConstant(g, `zeros ${shape.join()}`, shape, type, () => 0);

export const sharedOnes = (g: GraphBuilder, shape: readonly number[], type: ComputeType): Value =>
  sharedConstant(g, `ones ${shape.join()}`, shape, type, () => 1);

/** int32 numbers, shape (count). @param key of numbers that are the same. */
export const sharedIndices = (g: GraphBuilder, key: string, count: number, number: (at: number) => number): Value =>
  once(g, key, () => g.constant(filled(new Int32Array(count), number), [count]));

/** @returns `numbers`. TypedArray.from with a function takes ten times as long. */
function filled<T extends Float32Array | Int32Array>(numbers: T, number: (at: number) => number): T {
  for (let at = 0; at < numbers.length; at++) numbers[at] = number(at);
  return numbers;
}
