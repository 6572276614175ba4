/**
 * @module weights/quantize
 * Float rows <-> int8 rows with one scale each ("absmax"): scale = max|w| / 127, weight = int8 · scale.
 * Source: Dettmers et al. 2022 (arXiv 2208.07339) §2; bitsandbytes stores the maxima ("SCB") instead of the scales.
 */

import { CheckpointError, ShapeError } from "../errors.ts";

export interface QuantizedRows {
  /** (rows, columns), -127 ... 127. */
  readonly data: Int8Array;
  /** (rows). */
  readonly scales: Float32Array;
}

/**
 * @param weights (rows, columns), one row per output of the layer.
 * @returns the nearest int8 numbers (ties to even); each is off by at most half its row's scale. A row of zeros has scale 0.
 * @throws {CheckpointError} a weight is not finite.
 * @throws {ShapeError}      the numbers cannot be cut into so many rows.
 */
export function quantizeRows(weights: Float32Array, rows: number): QuantizedRows {
  const columns = columnCount(weights.length, rows);
  const data = new Int8Array(weights.length);
  const maxima = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const values = weights.subarray(row * columns, (row + 1) * columns);
    const top = maxAbs(values);
    if (!Number.isFinite(top))
      throw new CheckpointError(`Row ${row} of a weight is not finite and cannot become 8-bit.`);
    maxima[row] = top;
    if (top === 0) continue;
    for (let i = 0, at = row * columns; i < columns; i++) data[at + i] = toInt8((values[i]! * 127) / top);
  }
  return { data, scales: scalesOfMaxima(maxima) };
}

/** @returns (rows, columns) float32, a new array. */
export function dequantizeRows({ data, scales }: QuantizedRows): Float32Array {
  const columns = columnCount(data.length, scales.length);
  const weights = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) weights[i] = data[i]! * scales[Math.floor(i / columns)]!;
  return weights;
}

/** @returns each row's scale from its largest |w|, a new array. */
export function scalesOfMaxima(maxima: Float32Array): Float32Array {
  return maxima.map((top) => top / 127);
}

function columnCount(length: number, rows: number): number {
  const columns = rows === 0 ? 0 : length / rows;
  if (!Number.isInteger(columns) || columns * rows !== length) {
    throw new ShapeError(`${length} weights are not ${rows} rows of equal length`);
  }
  return columns;
}

/** NaN if any value is. */
function maxAbs(values: Float32Array): number {
  let top = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!);
    if (!(size <= top)) top = size; // also when it is NaN, which stays
    if (top !== top) return top;
  }
  return top;
}

/** Between 2^52 and 2^53 float64 numbers are whole: adding this rounds, ties to even, faster than any branch. */
const ROUNDER = 1.5 * 2 ** 52;

/** |value| is at most 127, its row's maximum. */
function toInt8(value: number): number {
  return value + ROUNDER - ROUNDER;
}
