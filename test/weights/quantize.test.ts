import { describe, expect, test } from "vitest";
import { CheckpointError, ShapeError } from "../../src/errors.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { findRowMaxima, findWeight } from "../../src/weights/find-weight.ts";
import { dequantizeRows, quantizeRows, scalesOfMaxima } from "../../src/weights/quantize.ts";
import { readTensor, readTensorAsFloat32 } from "../../src/weights/safetensors.ts";
import { goldenPath } from "../golden.ts";

describe("quantizeRows", () => {
  test("scales each row by its own maximum", () => {
    const { data, scales } = quantizeRows(Float32Array.of(1, -0.5, 0, -254, 2, 127), 2);
    expect(scales).toEqual(Float32Array.of(1 / 127, 2));
    expect(data).toEqual(Int8Array.of(127, -64, 0, -127, 1, 64)); // -63.5 and 63.5: ties to even
  });

  test("keeps rows of zeros, and no rows at all", () => {
    const zeros = quantizeRows(new Float32Array(3), 1);
    expect(zeros).toEqual({ data: new Int8Array(3), scales: new Float32Array(1) });
    expect(dequantizeRows(zeros)).toEqual(new Float32Array(3));
    expect(quantizeRows(new Float32Array(0), 0).data).toHaveLength(0);
  });

  test("stays in -127 ... 127, also for the smallest numbers", () => {
    const { data } = quantizeRows(Float32Array.of(2 ** -149, -(2 ** -149), 3e-39, -1e-39), 2);
    expect(Math.max(...data)).toBeLessThanOrEqual(127);
    expect(Math.min(...data)).toBeGreaterThanOrEqual(-127);
  });

  test("comes back within half a step", () => {
    const weights = Float32Array.from({ length: 4 * 33 }, (_, i) => Math.sin(i * i) * 10 ** (i % 3));
    const { data, scales } = quantizeRows(weights, 4);
    const back = dequantizeRows({ data, scales });
    back.forEach((value, i) => {
      expect(Math.abs(value - weights[i]!)).toBeLessThanOrEqual(scales[Math.floor(i / 33)]! * 0.5001);
    });
  });

  test.each([NaN, Infinity, -Infinity])("refuses %s", (value) => {
    expect(() => quantizeRows(Float32Array.of(1, 2, 3, value), 2)).toThrow(CheckpointError);
  });

  test("refuses uneven rows", () => {
    expect(() => quantizeRows(new Float32Array(5), 2)).toThrow(ShapeError);
    expect(() => quantizeRows(new Float32Array(5), 0)).toThrow(ShapeError);
    expect(() => dequantizeRows({ data: new Int8Array(5), scales: new Float32Array(2) })).toThrow(ShapeError);
  });
});

// The reference multiplies by float32(1 / max) · 127, which tips some exact ties over to the odd side.
test("agrees with the reference's 8-bit text encoder, made from the fp16 weights, but for exact ties", async () => {
  const folder = goldenPath("checkpoints/if-i/text_encoder");
  const [half, eightBit] = [await openWeights(folder, "fp16"), await openWeights(folder, "8bit")];
  let [numbers, different] = [0, 0];
  for (const stored of eightBit.tensors.values()) {
    if (stored.dtype !== "I8") continue;
    const [rows = 0, columns = 0] = stored.shape;
    const entry = findWeight(half, stored.name, stored.shape);
    const weights = await readTensorAsFloat32(entry.file, entry);
    const { data, scales } = quantizeRows(weights, rows);
    const maxima = findRowMaxima(eightBit, stored);
    const largest = await readTensorAsFloat32(maxima.file, maxima);
    expect(scales).toEqual(scalesOfMaxima(largest));
    const expected = (await readTensor(stored.file, stored)) as Int8Array;
    numbers += data.length;
    data.forEach((value, i) => {
      if (value === expected[i]) return;
      different++;
      const steps = (weights[i]! * 127) / largest[Math.floor(i / columns)]!;
      expect(Math.abs(steps % 1)).toBe(0.5);
      expect(Math.abs(value - expected[i]!)).toBe(1);
    });
  }
  expect(numbers).toBeGreaterThan(10_000);
  expect(different / numbers).toBeLessThan(1 / 5000);
});
