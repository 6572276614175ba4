/**
 * @module image/interpolate
 * Resizes tensors as torch.nn.functional.interpolate does: no widened filter when shrinking, float32 throughout.
 *
 * Letters: B batch, C channels, H height, W width.
 * Source: behaviour of torch 2 on the CPU, modes "bilinear" with align_corners=True and "nearest".
 */

import { ShapeError } from "../errors.ts";
import { type Tensor, tensor } from "../math/tensor.ts";

interface Axis {
  /** The two input positions of each output position. */
  readonly low: Int32Array;
  readonly high: Int32Array;
  /** How far the output position lies from `low` towards `high`, 0 to 1. */
  readonly share: Float32Array;
}

/** Corners stay corners: output i lies at i (in - 1) / (out - 1). */
function alignedAxis(inSize: number, outSize: number): Axis {
  const scale = outSize > 1 ? Math.fround((inSize - 1) / (outSize - 1)) : 0;
  const axis: Axis = {
    low: new Int32Array(outSize),
    high: new Int32Array(outSize),
    share: new Float32Array(outSize),
  };
  for (let i = 0; i < outSize; i++) {
    const position = inSize === outSize ? i : Math.fround(scale * i);
    const low = Math.min(Math.trunc(position), inSize - 1);
    axis.low[i] = low;
    axis.high[i] = Math.min(low + 1, inSize - 1);
    axis.share[i] = Math.min(Math.max(position - low, 0), 1);
  }
  return axis;
}

/**
 * Bilinear with aligned corners: the low-resolution image -> the size of stage 2.
 * @param x (B, C, H, W).
 * @returns (B, C, height, width).
 * @throws {ShapeError} `x` has not four axes.
 */
export function interpolateBilinear(x: Tensor, height: number, width: number): Tensor {
  const [inHeight, inWidth, planes] = planeSizes(x);
  const rows = alignedAxis(inHeight, height);
  const columns = alignedAxis(inWidth, width);
  const { fround } = Math;
  const out = new Float32Array(planes * height * width);
  let to = 0;
  for (let plane = 0; plane < planes; plane++) {
    for (let y = 0; y < height; y++) {
      const top = (plane * inHeight + rows.low[y]!) * inWidth;
      const bottom = (plane * inHeight + rows.high[y]!) * inWidth;
      const down = rows.share[y]!;
      const up = fround(1 - down);
      for (let i = 0; i < width; i++) {
        const [low, high, right] = [columns.low[i]!, columns.high[i]!, columns.share[i]!];
        const left = fround(1 - right);
        // torch's order of the four, each but the first a fused multiply-add: the sums are rounded, not the products
        let sum = fround(fround(up * right) * x.data[top + high]!);
        sum = fround(fround(up * left) * x.data[top + low]! + sum);
        sum = fround(fround(down * left) * x.data[bottom + low]! + sum);
        out[to++] = fround(down * right) * x.data[bottom + high]! + sum;
      }
    }
  }
  return tensor(out, [...x.shape.slice(0, 2), height, width]);
}

/**
 * Nearest: output i takes input ⌊i in / out⌋.
 * @param x (B, C, H, W).
 * @returns (B, C, height, width).
 * @throws {ShapeError} `x` has not four axes.
 */
export function interpolateNearest(x: Tensor, height: number, width: number): Tensor {
  const [inHeight, inWidth, planes] = planeSizes(x);
  const rows = nearestIndices(inHeight, height);
  const columns = nearestIndices(inWidth, width);
  const out = new Float32Array(planes * height * width);
  let to = 0;
  for (let plane = 0; plane < planes; plane++) {
    for (const row of rows) {
      for (const column of columns) out[to++] = x.data[(plane * inHeight + row) * inWidth + column]!;
    }
  }
  return tensor(out, [...x.shape.slice(0, 2), height, width]);
}

function nearestIndices(inSize: number, outSize: number): number[] {
  const scale = Math.fround(inSize / outSize);
  return Array.from({ length: outSize }, (_, i) => Math.min(Math.trunc(Math.fround(i * scale)), inSize - 1));
}

function planeSizes(x: Tensor): [height: number, width: number, planes: number] {
  const [batch, channels, height, width] = x.shape;
  if (x.shape.length !== 4) throw new ShapeError(`[${x.shape.join(", ")}] is not (B, C, H, W)`);
  return [height!, width!, batch! * channels!];
}
