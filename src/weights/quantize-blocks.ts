/**
 * @module weights/quantize-blocks
 * Block-wise quantization: float rows <-> blocks of 32 weights along a row, in 4 or 8 bits with one float16 scale:
 * weight = (step - 2^(bits - 1)) · scale. The layout is that of onnxruntime's MatMulNBits.
 *
 * 4 bits: a block's scale starts as its weight of largest size / -8, which uses all 16 steps, and is then fitted: with the
 * steps q that gives, Σqw / Σq² is the scale of least squared error. Measured on normal weights: an error of 8.4 % of
 * their size, 8.6 % without the fit, 9.7 % with max|w| / 7. 8 bits: max|w| / 127, an error of 0.5 %.
 */

import { CheckpointError, ShapeError } from "../errors.ts";
import { float16ToFloat32, float32ToFloat16 } from "../math/half.ts";

export const BLOCK = 32;

export type BlockBits = 4 | 8;

/** The step that stands for 0. */
const zeroStep = (bits: BlockBits): number => 2 ** (bits - 1);
const blockBytes = (bits: BlockBits): number => (BLOCK * bits) / 8;

export interface QuantizedBlocks {
  /** (rows, blocks, 16 or 32): in 4 bits two weights a byte, the first in the lower half. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** (rows, blocks), float16 as bits. */
  readonly scales: Uint16Array<ArrayBuffer>;
}

/** `X.weight` -> the tensor of its scales. */
export function blockScalesName(weight: string): string {
  return weight.replace(/weight$/, "block_scales");
}

/** @returns the shapes in which a weight of (rows, columns) is stored; a row's last block may be filled up. */
export function blockShapes(
  [rows = 0, columns = 0]: readonly number[],
  bits: BlockBits = 4,
): { data: number[]; scales: number[] } {
  const blocks = Math.ceil(columns / BLOCK);
  return { data: [rows, blocks, blockBytes(bits)], scales: [rows, blocks] };
}

/**
 * @param weights (rows, columns), one row per output of the layer.
 * @throws {CheckpointError} a weight is not finite, or too large for a float16 scale.
 * @throws {ShapeError}      the numbers cannot be cut into so many rows.
 */
export function quantizeBlocks(weights: Float32Array, rows: number, bits: BlockBits = 4): QuantizedBlocks {
  const columns = rows === 0 ? 0 : weights.length / rows;
  if (!Number.isInteger(columns) || columns * rows !== weights.length) {
    throw new ShapeError(`${weights.length} weights are not ${rows} rows of equal length`);
  }
  const blocks = Math.ceil(columns / BLOCK);
  const zero = zeroStep(bits);
  const fitted = new Float32Array(rows * blocks);
  const scaleOf = bits === 8 ? largestScale : fittedScale;
  forEachBlock(rows, columns, (block, start, end) => {
    fitted[block] = scaleOf(weights, start, end);
  });
  const scales = new Uint16Array(fitted.length);
  const rounded = float16ToFloat32(float32ToFloat16(fitted, scales));
  const wrong = rounded.findIndex((scale) => !Number.isFinite(scale));
  if (wrong >= 0) {
    throw new CheckpointError(
      `Row ${Math.floor(wrong / blocks)} of a weight is not finite or too large and cannot become ${bits}-bit.`,
    );
  }
  const data = new Uint8Array(fitted.length * blockBytes(bits)).fill(bits === 4 ? zero | (zero << 4) : zero);
  const rounding = new Uint8ClampedArray(data.buffer); // ties to even; a scale that was rounded down leaves no step 256
  forEachBlock(rows, columns, (block, start, end) => {
    const scale = rounded[block]!;
    if (scale === 0) return;
    if (bits === 8) {
      const steps = 1 / scale;
      for (let at = start, byte = block * BLOCK; at < end; at++, byte++) rounding[byte] = weights[at]! * steps + zero;
      return;
    }
    for (let at = start, byte = block * blockBytes(bits); at < end; at += 2, byte++) {
      const low = toStep(weights[at]! / scale) + zero;
      const high = (at + 1 < end ? toStep(weights[at + 1]! / scale) : 0) + zero;
      data[byte] = low | (high << 4);
    }
  });
  return { data, scales };
}

/** @returns (rows, columns) float32, a new array. */
export function dequantizeBlocks(
  { data, scales }: QuantizedBlocks,
  rows: number,
  columns: number,
  bits: BlockBits = 4,
): Float32Array {
  const weights = new Float32Array(rows * columns);
  const factors = float16ToFloat32(scales);
  const zero = zeroStep(bits);
  forEachBlock(rows, columns, (block, start, end) => {
    for (let at = start; at < end; at++) {
      const within = at - start;
      const byte = data[block * blockBytes(bits) + (bits === 4 ? within >> 1 : within)]!;
      const step = bits === 8 ? byte : (within & 1) === 0 ? byte & 15 : byte >> 4;
      weights[at] = (step - zero) * factors[block]!;
    }
  });
  return weights;
}

/** Calls `use` with each block's number and where its weights start and end. */
function forEachBlock(rows: number, columns: number, use: (block: number, start: number, end: number) => void): void {
  let block = 0;
  for (let row = 0; row < rows; row++) {
    const end = (row + 1) * columns;
    for (let start = row * columns; start < end; start += BLOCK) use(block++, start, Math.min(start + BLOCK, end));
  }
}

/** Of 8 bits. NaN if a weight is; 0 for a block of zeros. */
function largestScale(weights: Float32Array, start: number, end: number): number {
  let top = 0;
  for (let at = start; at < end; at++) {
    const size = Math.abs(weights[at]!);
    if (!(size <= top)) top = size; // also when it is NaN
    if (top !== top) return top;
  }
  return top / 127;
}

const FOUR_BITS = 8;

/** Of 4 bits. NaN if a weight is; 0 for a block of zeros. */
function fittedScale(weights: Float32Array, start: number, end: number): number {
  let top = 0;
  for (let at = start; at < end; at++) {
    const weight = weights[at]!;
    if (!(Math.abs(weight) <= Math.abs(top))) top = weight; // also when it is NaN, which stays
    if (top !== top) return top;
  }
  if (top === 0 || !Number.isFinite(top)) return top;
  const scale = top / -FOUR_BITS;
  let [products, squares] = [0, 0];
  for (let at = start; at < end; at++) {
    const step = toStep(weights[at]! / scale);
    products += step * weights[at]!;
    squares += step * step;
  }
  return products / squares;
}

/** Between 2^52 and 2^53 float64 numbers are whole: adding this rounds, ties to even, faster than any branch. */
const ROUNDER = 1.5 * 2 ** 52;

/** The nearest of -8 ... 7. */
function toStep(value: number): number {
  const nearest = value + ROUNDER - ROUNDER;
  return nearest < -FOUR_BITS ? -FOUR_BITS : nearest > 7 ? 7 : nearest;
}
