import { expect, test } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import { clipMagnitudes, hasNaN, quantileOfMagnitudes } from "../../src/math/statistics.ts";

/** The definition, by sorting. */
function bySorting(values: Float32Array, q: number): number {
  const sorted = values.map(Math.abs).toSorted();
  const rank = Math.fround(Math.fround(q) * (sorted.length - 1));
  const [lower, upper] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!];
  return lower + (upper - lower) * (rank - Math.floor(rank));
}

test.each([1, 2, 3, 17, 48, 1000, 12288])("agrees with sorting %i numbers", (count) => {
  const values = createGenerator(count)
    .randn([count])
    .data.map((x) => x * 3);
  for (const q of [0, 0.25, 0.5, 0.95, 0.995, 1]) {
    expect(quantileOfMagnitudes(values, q)).toBeCloseTo(bySorting(values, q), 6);
  }
});

test("torch.quantile(torch.randn(196608, generator seed 3).abs(), 0.95)", () => {
  const values = createGenerator(3).randn([196608]).data;
  expect(quantileOfMagnitudes(values, 0.95)).toBe(Math.fround(1.956671118736267));
});

test("equal numbers, negative ones", () => {
  expect(quantileOfMagnitudes(Float32Array.of(-2, 2, -2, 2), 0.3)).toBe(2);
  expect(quantileOfMagnitudes(Float32Array.of(1, -4), 0.5)).toBe(2.5);
});

test("one NaN makes the quantile NaN", () => {
  expect(quantileOfMagnitudes(Float32Array.of(1, Number.NaN, 2), 0)).toBeNaN();
});

test.each([0, 1, 1.25, Infinity])("magnitudes are clipped to %d", (limit) => {
  const numbers = [0, -0, 0.5, -0.5, 1, -1, 1.25, -1.3, 1e-40, 3e38, -3e38, Infinity, -Infinity];
  const values = Float32Array.from(numbers);
  clipMagnitudes(values, limit);
  const signOf = (value: number): number => (value < 0 || Object.is(value, -0) ? -1 : 1);
  expect([...values]).toEqual(numbers.map((x) => signOf(x) * Math.min(Math.abs(Math.fround(x)), limit)));
});

test("a NaN of either sign is found, infinity is none", () => {
  expect(hasNaN(Float32Array.of(1, -Infinity, Infinity, -0))).toBe(false);
  for (const bits of [0x7fc00000, 0xffc00000, 0x7f800001]) {
    expect(hasNaN(new Float32Array(Uint32Array.of(0, bits, 0).buffer))).toBe(true);
  }
});

test("the input stays as it is", () => {
  const values = Float32Array.of(3, -1, 2);
  quantileOfMagnitudes(values, 0.5);
  expect([...values]).toEqual([3, -1, 2]);
});
