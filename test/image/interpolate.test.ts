import { expect, test } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { interpolateBilinear, interpolateNearest } from "../../src/image/interpolate.ts";
import { tensor, zeros } from "../../src/math/tensor.ts";
import { cases, golden, largestDifference, storedTensor } from "./golden-image.ts";

test.each(cases(golden.upscale))("bilinear $key: $shape to $to", ({ key, shape, to }) => {
  const result = interpolateBilinear(storedTensor(`${key}.in`), ...to!);
  expect(result.shape).toEqual([...shape!.slice(0, 2), ...to!]);
  // equal to the stored numbers; torch without fused multiply-add differs by up to 5e-7
  expect(largestDifference(result.data, storedTensor(key).data)).toBeLessThanOrEqual(1e-6);
});

test("bilinear keeps the corners", () => {
  const x = tensor(Float32Array.from([1, 2, 3, 4, 5, 6]), [1, 1, 2, 3]);
  const { data } = interpolateBilinear(x, 7, 8);
  expect([data[0], data[7], data[6 * 8], data[6 * 8 + 7]]).toEqual([1, 3, 4, 6]);
});

test("nearest takes the pixel at or before", () => {
  const x = tensor(Float32Array.from([1, 2, 3, 4, 5, 6]), [1, 1, 2, 3]);
  expect([...interpolateNearest(x, 1, 2).data]).toEqual([1, 2]);
  expect([...interpolateNearest(x, 4, 3).data]).toEqual([1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]);
});

test("only (B, C, H, W) is taken", () => {
  expect(() => interpolateBilinear(zeros([3, 4, 4]), 8, 8)).toThrow(ShapeError);
  expect(() => interpolateNearest(zeros([3, 4, 4]), 8, 8)).toThrow(ShapeError);
});
