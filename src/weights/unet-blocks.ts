/**
 * @module weights/unet-blocks
 * A UNet's weights in 8 bits: which of them are quantized block-wise (32 to a block), and how a convolution's kernel lies
 * in blocks.
 *
 * Linear layers (O, C): rows O, columns C. Kernels (O, C, h, w) in one of two ways, of which the columns tell which one it is:
 * - apart: rows (h, w, O'), columns C. One product gives what each kernel tap makes of each pixel.
 * - beside: rows (h, O'), columns (C/4, w, 4). One product gives what each row of the kernel makes of each pixel and its
 *   neighbours in the image's row, which were put beside it four channels at a time.
 * What becomes of them: onnx/lower/webgpu/convolution. O' is O filled up with rows of zeros to a multiple of 64, as a
 * GPU's matrix units want it. What has another number of channels than whole blocks stays float16: some kilobytes.
 */

import { BLOCK } from "./quantize-blocks.ts";

/** Outputs that a GPU's matrix units compute at once. */
const TILE = 64;
/** Channels that are kept together where neighbours lie beside each other. */
const TOGETHER = 4;

/** Is the weight of this name and shape kept in blocks? Tables, biases and norms are not. */
export function isBlocked(name: string, shape: readonly number[]): boolean {
  const [outputs = 0, channels = 0] = shape;
  if (!name.endsWith(".weight") || name === "class_embedding.weight" || channels % BLOCK !== 0) return false;
  return shape.length === 2 || (shape.length === 4 && outputs % BLOCK === 0);
}

/** Of wider layers, kernels lie apart: their feature maps have few pixels, and a product of many rows uses more of a GPU. */
const WIDEST_BESIDE = 704;

/**
 * Which of the two ways is faster, by measurement on one NVIDIA H200: putting neighbours beside each other costs per
 * channel, taking what lies apart together again costs per output. A feature map that was enlarged lies apart, for most of its
 * products are then the same; one that is halved beside, for half of them are not needed.
 */
function liesBeside(name: string, [outputs = 0, channels = 0, height = 1, width = 1]: readonly number[]): boolean {
  if (height * width === 1 || /\bupsamplers\.\d+\.conv1?\.weight$/.test(name)) return false;
  if (/\bdownsamplers\.\d+\.conv\.weight$/.test(name)) return true;
  return channels <= WIDEST_BESIDE && 2 * channels <= 3 * outputs;
}

const filledUp = (outputs: number): number => Math.ceil(outputs / TILE) * TILE;

/** @returns the matrix that a weight (O, C) or (O, C, h, w) becomes: its rows and columns. */
export function blockMatrix(name: string, shape: readonly number[]): [number, number] {
  const [outputs = 0, channels = 0, height, width = 1] = shape;
  if (height === undefined) return [outputs, channels];
  const beside = liesBeside(name, shape);
  return [height * (beside ? 1 : width) * filledUp(outputs), channels * (beside ? width : 1)];
}

/** @returns how many rows of zeros follow each of the parts that `kernelParts` gives. */
export function fillRows([outputs = 0, , height]: readonly number[]): number {
  return height === undefined ? 0 : filledUp(outputs) - outputs;
}

/**
 * @param rows of the weight (O, C, h, w), as they lie: (count, C·h·w).
 * @returns (count, columns) for each part of the matrix, in the order in which they follow each other.
 */
export function kernelParts(name: string, rows: Float32Array, shape: readonly number[]): Float32Array[] {
  const [, channels = 0, height = 1, width = 1] = shape;
  if (height * width === 1) return [rows];
  const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
  if (liesBeside(name, shape)) {
    const fours = range(channels / TOGETHER);
    const order = fours.flatMap((four) =>
      range(width).flatMap((x) => range(TOGETHER).map((within) => (four * TOGETHER + within) * height * width + x)),
    );
    return range(height).map((y) => arranged(rows, order, channels * height * width, y * width));
  }
  const order = range(channels).map((channel) => channel * height * width);
  return range(height * width).map((place) => arranged(rows, order, channels * height * width, place));
}

/** Of each row of `length` numbers those at `order`, counted from `from`. */
function arranged(rows: Float32Array, order: readonly number[], length: number, from: number): Float32Array {
  const count = rows.length / length;
  const result = new Float32Array(count * order.length);
  let to = 0;
  for (let start = from; start < rows.length; start += length) {
    for (const at of order) result[to++] = rows[start + at]!;
  }
  return result;
}
