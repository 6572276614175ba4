/**
 * @module math/layout
 * Joining, repeating and cutting tensors along their first two axes, and blending two of them. All give new tensors.
 */

import { ShapeError } from "../errors.ts";
import { checkSameShape, elementCount, type Tensor } from "./tensor.ts";

/** Elements of one entry of the first axis. */
const rowLength = (x: Tensor): number => elementCount(x.shape.slice(1));

/** (A, ...) and (B, ...) -> (A + B, ...). @throws {ShapeError} the other axes differ. */
export function concatBatch(parts: readonly Tensor[]): Tensor {
  const [first] = parts;
  if (!first) throw new ShapeError("nothing to join");
  for (const part of parts) checkSameShape(part.shape.slice(1), first.shape.slice(1), "joining along the batch");
  const batch = parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0);
  const data = new Float32Array(batch * rowLength(first));
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { data, shape: [batch, ...first.shape.slice(1)] };
}

/** Entries start..end of the first axis; shares memory with `x`. */
export function sliceBatch(x: Tensor, start: number, end: number): Tensor {
  const row = rowLength(x);
  return { data: x.data.subarray(start * row, end * row), shape: [end - start, ...x.shape.slice(1)] };
}

/** Each entry `times` times in a row: a, b -> a, a, b, b. torch's repeat_interleave along the batch. */
export function repeatInterleave(x: Tensor, times: number): Tensor {
  const rows = Array.from({ length: x.shape[0] ?? 0 }, (_, row) => sliceBatch(x, row, row + 1));
  return concatBatch(rows.flatMap((row) => Array.from({ length: times }, () => row)));
}

/** The whole batch `times` times over: a, b -> a, b, a, b. */
export function tileBatch(x: Tensor, times: number): Tensor {
  return concatBatch(Array.from({ length: times }, () => x));
}

/**
 * (1 - mask) · outside + mask · inside, in float32.
 * @param mask (B or 1, 1, H, W) in [0, 1]; outside, inside (B, C, H, W).
 */
export function blend(mask: Tensor, outside: Tensor, inside: Tensor): Tensor {
  checkSameShape(outside.shape, inside.shape, "blending");
  const [batch = 0, channels = 0] = outside.shape;
  const plane = elementCount(outside.shape.slice(2));
  const perSample = mask.shape[0] === batch ? plane : 0;
  checkSameShape(mask.shape, [perSample ? batch : 1, 1, ...outside.shape.slice(2)], "the mask");
  const data = new Float32Array(outside.data.length);
  const { fround } = Math;
  for (let index = 0; index < data.length; index++) {
    const sample = Math.floor(index / (plane * channels));
    const share = mask.data[sample * perSample + (index % plane)] ?? 0;
    const [out, into] = [outside.data[index] ?? 0, inside.data[index] ?? 0];
    data[index] = fround(fround(1 - share) * out) + fround(share * into);
  }
  return { data, shape: outside.shape };
}
