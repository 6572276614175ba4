/**
 * @module weights/unet-blocks
 * A UNet's weights in 8 bits: which of them become blocks of 32, and how a convolution's kernel lies in blocks.
 *
 * Linear layers (O, C): rows O, columns C. Kernels (O, C, h, w): rows (h, O), columns (w, C), so that one product gives
 * what each row of the kernel makes of a picture's row (onnx/lower/webgpu-convolution); then rows of zeros, up to a
 * multiple of 64. What has another number of channels than whole blocks stays float16: some kilobytes.
 */

import { BLOCK } from "./quantize-blocks.ts";

/** Outputs that a card's matrix units compute at once. */
const TILE = 64;

/** Is the weight of this name and shape kept in blocks? Tables, biases and norms are not. */
export function isBlocked(name: string, shape: readonly number[]): boolean {
  const [outputs = 0, channels = 0] = shape;
  if (!name.endsWith(".weight") || name === "class_embedding.weight" || channels % BLOCK !== 0) return false;
  return shape.length === 2 || (shape.length === 4 && outputs % BLOCK === 0);
}

/** @returns the matrix that a weight (O, C) or (O, C, h, w) becomes: its rows and columns. */
export function blockMatrix([outputs = 0, channels = 0, height, width = 1]: readonly number[]): [number, number] {
  if (height === undefined) return [outputs, channels];
  return [Math.ceil((height * outputs) / TILE) * TILE, width * channels];
}

/**
 * @param rows of the weight (O, C, h, w), as they lie: (count, C·h·w).
 * @returns for each row of the kernel (count, w·C): the rows of the matrix that these become.
 */
export function kernelRows(
  rows: Float32Array,
  [, channels = 0, height = 1, width = 1]: readonly number[],
): Float32Array[] {
  if (height * width === 1) return [rows];
  const sides = height * width;
  const count = rows.length / (channels * sides);
  return Array.from({ length: height }, (_, y) => {
    const arranged = new Float32Array(rows.length / height);
    let to = 0;
    for (let row = 0; row < count; row++) {
      for (let x = 0; x < width; x++) {
        let from = row * channels * sides + y * width + x;
        for (let channel = 0; channel < channels; channel++, from += sides) arranged[to++] = rows[from]!;
      }
    }
    return arranged;
  });
}
