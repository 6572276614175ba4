/**
 * @module math/tensor
 * The host's tensors: dense, row-major (the last axis varies fastest), float32 unless said otherwise.
 */

import { ShapeError } from "../errors.ts";

/** What numbers lie in: float32, or float16 as its bits (math/half). */
export type Numbers = Float32Array | Uint16Array;

/** Makes it: so many zeros, or what lies in some memory. */
export interface NumbersConstructor<Data extends Numbers> {
  new (length: number): Data;
  new (memory: SharedArrayBuffer): Data;
}

export interface Tensor<Data extends Numbers = Float32Array> {
  readonly data: Data;
  /** Images are (B, C, H, W), embeddings (B, L, D). */
  readonly shape: readonly number[];
}

/** @returns the number of elements of a shape; 1 for a scalar's []. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** @throws {ShapeError} `data` has not as many elements as `shape` says. */
export function tensor(data: Float32Array, shape: readonly number[]): Tensor {
  if (data.length !== elementCount(shape)) {
    throw new ShapeError(`${data.length} numbers cannot have the shape [${shape.join(", ")}]`);
  }
  return { data, shape };
}

/** @returns a new tensor of zeros. */
export function zeros(shape: readonly number[]): Tensor {
  return { data: new Float32Array(elementCount(shape)), shape };
}

/** @throws {ShapeError} the two shapes differ; `what` names them in the message. */
export function checkSameShape(a: readonly number[], b: readonly number[], what: string): void {
  if (a.length !== b.length || a.some((side, axis) => side !== b[axis])) {
    throw new ShapeError(`${what}: [${a.join(", ")}] is not [${b.join(", ")}]`);
  }
}
