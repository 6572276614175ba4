import { expect, test } from "vitest";
import { relativePositionBucket, relativePositionBuckets } from "../../src/models/relative-position.ts";

/** The distances at which transformers' T5Attention (5.18, torch 2.13) changes to the next bucket, from 1 on. */
const published = [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
const exact = Array.from({ length: 16 }, (_, index) => index + 1);
const wide = exact.concat(20, 25, 31, 39, 48, 59, 73, 91, 113, 140, 174, 216, 268, 332, 413);

test.each([
  { numBuckets: 32, maxDistance: 128, borders: published },
  { numBuckets: 64, maxDistance: 512, borders: wide },
])("$numBuckets buckets up to $maxDistance tokens", ({ numBuckets, maxDistance, borders }) => {
  for (let distance = 1; distance < 3000; distance++) {
    const passed = borders.filter((border) => border <= distance).length;
    expect([distance, relativePositionBucket(distance, numBuckets, maxDistance)]).toEqual([
      distance,
      numBuckets / 2 + passed,
    ]);
  }
});

test("earlier keys have the lower half of the buckets", () => {
  for (let distance = 1; distance < 600; distance++) {
    expect(relativePositionBucket(-distance, 32, 128)).toBe(relativePositionBucket(distance, 32, 128) - 16);
  }
});

test("the table's rows are queries", () => {
  expect(relativePositionBuckets(3, 32, 128)).toEqual(BigInt64Array.of(0n, 17n, 18n, 1n, 0n, 17n, 2n, 1n, 0n));
});
