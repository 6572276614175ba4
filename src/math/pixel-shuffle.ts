/**
 * @module math/pixel-shuffle
 * Blocks of pixels as channels, as networks take them that work on a smaller image than they are given; and the padding
 * that makes an image's sides multiples of a block's.
 *
 * Letters: B batch, C channels, H and W sides, r side of a block.
 * Source: Shi et al. 2016 (arXiv 1609.05158); the channels' order is that of torch's pixel_unshuffle.
 */

import { ShapeError } from "../errors.ts";
import type { Tensor } from "./tensor.ts";

/** (B, C, H, W) -> (B, C·r², H/r, W/r). @throws {ShapeError} a side is no multiple of r. */
export function pixelUnshuffle(x: Tensor, r: number): Tensor {
  if (r === 1) return x;
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  if (height % r !== 0 || width % r !== 0) throw new ShapeError(`${width}x${height} has no blocks of ${r} pixels`);
  const [h, w] = [height / r, width / r];
  const data = new Float32Array(x.data.length);
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let y = 0; y < height; y++) {
      for (let column = 0; column < width; column++) {
        const block = (y % r) * r + (column % r);
        const to = ((plane * r * r + block) * h + Math.floor(y / r)) * w + Math.floor(column / r);
        data[to] = x.data[(plane * height + y) * width + column]!;
      }
    }
  }
  return { data, shape: [batch, channels * r * r, h, w] };
}

/** Mirrored at its right and lower edges, without the edge itself, until both sides are multiples of r. */
export function padToMultiple(x: Tensor, r: number): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [h, w] = [Math.ceil(height / r) * r, Math.ceil(width / r) * r];
  if (h === height && w === width) return x;
  const data = new Float32Array(batch * channels * h * w);
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let y = 0; y < h; y++) {
      const row = (plane * height + mirrored(y, height)) * width;
      for (let column = 0; column < w; column++) {
        data[(plane * h + y) * w + column] = x.data[row + mirrored(column, width)]!;
      }
    }
  }
  return { data, shape: [batch, channels, h, w] };
}

const mirrored = (place: number, length: number): number =>
  place < length ? place : Math.max(0, 2 * length - 2 - place);

/** The upper left corner of an image: (B, C, H, W) -> (B, C, height, width). */
export function cropTo(x: Tensor, height: number, width: number): Tensor {
  const [batch = 0, channels = 0, rows = 0, columns = 0] = x.shape;
  if (rows === height && columns === width) return x;
  const data = new Float32Array(batch * channels * height * width);
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let y = 0; y < height; y++) {
      const from = (plane * rows + y) * columns;
      data.set(x.data.subarray(from, from + width), (plane * height + y) * width);
    }
  }
  return { data, shape: [batch, channels, height, width] };
}
