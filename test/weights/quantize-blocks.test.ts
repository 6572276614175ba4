import { describe, expect, test } from "vitest";
import { CheckpointError, ShapeError } from "../../src/errors.ts";
import { float16ToFloat32 } from "../../src/math/half.ts";
import { blockShapes, dequantizeBlocks, quantizeBlocks } from "../../src/weights/quantize-blocks.ts";

const back = (weights: Float32Array, rows: number): Float32Array =>
  dequantizeBlocks(quantizeBlocks(weights, rows), rows, weights.length / rows);

/** Sums of twelve uniform numbers: near enough to normal. */
function normals(count: number): Float32Array {
  let state = 1;
  const uniform = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  return Float32Array.from({ length: count }, () => Array.from({ length: 12 }, uniform).reduce((a, b) => a + b, -6));
}

describe("a block", () => {
  test("of 16 even steps comes back exactly, whichever sign its largest has", () => {
    const steps = Float32Array.from({ length: 32 }, (_, at) => (at % 16) - 8);
    expect(back(steps, 1)).toEqual(steps);
    const mirrored = steps.map((step) => -step / 4);
    expect(back(mirrored, 1)).toEqual(mirrored);
  });

  test("holds the first of two weights in the lower half of a byte", () => {
    const weights = new Float32Array(32);
    weights.set([-8, 7, 0, 1]);
    const { data, scales } = quantizeBlocks(weights, 1);
    expect([...data.subarray(0, 3)]).toEqual([0xf0, 0x98, 0x88]);
    expect([...float16ToFloat32(scales)]).toEqual([1]);
  });

  test("of zeros is zeros; what a row lacks to a whole block is zeros", () => {
    const { data, scales } = quantizeBlocks(new Float32Array(2 * 5), 2);
    expect([...new Set(data)]).toEqual([0x88]);
    expect([...scales]).toEqual([0, 0]);
    const weights = Float32Array.of(1, 2, 3, 4, 8, -1, -2, -3, -4, -8);
    expect(back(weights, 2)).toEqual(weights);
    expect(quantizeBlocks(weights, 2).data).toHaveLength(2 * 16);
    expect(blockShapes([2, 5])).toEqual({ data: [2, 1, 16], scales: [2, 1] });
    expect(blockShapes([3, 65])).toEqual({ data: [3, 3, 16], scales: [3, 3] });
  });
});

test("normal weights come back with an error of 8.4 % of their size, less than without the fit (8.6 %)", () => {
  const weights = normals(64 * 320);
  const returned = back(weights, 64);
  const error = Math.hypot(...returned.map((value, at) => value - weights[at]!)) / Math.hypot(...weights);
  expect(error).toBeGreaterThan(0.08);
  expect(error).toBeLessThan(0.0853);
});

describe("in 8 bits", () => {
  test("even steps come back exactly, a byte each", () => {
    const steps = Float32Array.from({ length: 32 }, (_, at) => (at % 2 === 0 ? at / 2 - 127 : 127 - (at - 1) / 2));
    const { data, scales } = quantizeBlocks(steps, 1, 8);
    expect([...data.subarray(0, 4)]).toEqual([1, 255, 2, 254]);
    expect([...float16ToFloat32(scales)]).toEqual([1]);
    expect(dequantizeBlocks({ data, scales }, 1, 32, 8)).toEqual(steps);
    expect(blockShapes([3, 65], 8)).toEqual({ data: [3, 3, 32], scales: [3, 3] });
  });

  test.each([1, 1e-3, 1e-4, 2e-5])("a block of size %s keeps its sign and size, however coarse its scale", (size) => {
    const weights = Float32Array.from({ length: 32 }, (_, at) => (at % 2 === 0 ? size : -size));
    const returned = dequantizeBlocks(quantizeBlocks(weights, 1, 8), 1, 32, 8);
    for (const [at, value] of returned.entries()) expect(value / (weights[at] ?? NaN)).toBeCloseTo(1, 0);
  });

  test("zeros are 128; normal weights come back with an error of 0.5 % of their size", () => {
    expect([...new Set(quantizeBlocks(new Float32Array(70), 2, 8).data)]).toEqual([128]);
    const weights = normals(64 * 320);
    const returned = dequantizeBlocks(quantizeBlocks(weights, 64, 8), 64, 320, 8);
    const error = Math.hypot(...returned.map((value, at) => value - weights[at]!)) / Math.hypot(...weights);
    expect(error).toBeGreaterThan(4e-3);
    expect(error).toBeLessThan(5.5e-3);
  });

  test("a weight that is not finite is refused by its row", () => {
    expect(() => quantizeBlocks(Float32Array.of(1, 2, 3, Infinity), 2, 8)).toThrow(/^Row 1 .* cannot become 8-bit/);
  });
});

test("the fit is the scale of least squared error for its steps", () => {
  const weights = normals(32);
  const { scales } = quantizeBlocks(weights, 1);
  const [scale = 0] = float16ToFloat32(scales);
  const errorWith = (factor: number): number =>
    Math.hypot(...weights.map((weight) => weight - Math.max(-8, Math.min(7, Math.round(weight / factor))) * factor));
  const unfitted = weights.reduce((top, weight) => (Math.abs(weight) > Math.abs(top) ? weight : top)) / -8;
  expect(errorWith(scale)).toBeLessThan(errorWith(unfitted));
});

test.each([NaN, Infinity, -Infinity, 1e30])("refuses %s", (value) => {
  const weights = new Float32Array(64);
  weights[40] = value;
  expect(() => quantizeBlocks(weights, 2)).toThrow(CheckpointError);
  expect(() => quantizeBlocks(weights, 2)).toThrow(/^Row 1 of a weight/);
});

test("refuses uneven rows", () => {
  expect(() => quantizeBlocks(new Float32Array(5), 2)).toThrow(ShapeError);
  expect(() => quantizeBlocks(new Float32Array(5), 0)).toThrow(ShapeError);
});
