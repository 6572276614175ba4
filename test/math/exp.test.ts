import { expect, test } from "vitest";
import { expToFloat32 } from "../../src/math/exp.ts";
import { createGenerator } from "../../src/math/random.ts";

const expected = (x: number): number => Math.fround(Math.exp(x));

test("the same number as Math.exp rounded, for halves of float32 numbers as variances have them", () => {
  const wrong = [1, 10, 100].flatMap((spread) =>
    [...createGenerator(spread).randn([300_000]).data].filter((x) => {
      const half = 0.5 * Math.fround(spread * x);
      return expToFloat32(half) !== expected(half);
    }),
  );
  expect(wrong).toEqual([]);
});

test.each([0, -0, 1, -1, 43.99, -43.99, 44, -44, 89, -104, 1e10, -1e10, 1e-300, Infinity, -Infinity, NaN])(
  "%d",
  (x) => {
    expect(expToFloat32(x)).toBe(expected(x));
  },
);

test("where Math.exp lies closest to the middle of two float32 numbers", () => {
  // a middle m of each binade: ln m and its neighbours
  for (let exponent = -60; exponent < 60; exponent++) {
    for (const step of [0, 1, 1234567, 2 ** 22, 2 ** 23 - 1]) {
      const x = Math.log((1 + (step + 0.5) * 2 ** -23) * 2 ** exponent);
      for (const shifted of [x, x * (1 + 2 ** -52), x * (1 - 2 ** -52)]) {
        expect(expToFloat32(shifted)).toBe(expected(shifted));
      }
    }
  }
});
