import { describe, expect, test } from "vitest";
import { InputImageError } from "../../src/errors.ts";
import { grayFromRgb } from "../../src/image/pixels.ts";
import {
  binarizeMask,
  preprocessImage,
  preprocessLowResolution,
  preprocessMaskImage,
  resizedSize,
} from "../../src/image/preprocess.ts";
import { resizePil } from "../../src/image/resize-pil.ts";
import { cases, expectedTensor, golden, largestDifference, imageAsIs, imageOf, storedTensor } from "./golden-image.ts";

const { fround } = Math;
const signedUnit = (byte: number) => fround(byte / 127.5) - 1;

test.each(cases(golden.resize_rule))("$width x $height at $sample_size", (row) => {
  expect(resizedSize(row.width, row.height, row.sample_size)).toEqual({ width: row.out_width, height: row.out_height });
});

test.each(cases(golden.preprocess_image))("start image $key", async ({ key, picture, resize, sample_size, shape }) => {
  const image = await imageOf(picture!);
  const first = resize ? resizePil(image, ...resize) : image;
  const result = preprocessImage(first, sample_size!);
  expect(result.shape).toEqual(shape);
  expect(largestDifference(result.data, expectedTensor(key, signedUnit).data)).toBe(0);
});

describe("mask", () => {
  test.each(cases(golden.preprocess_mask.filter((row) => row.picture)))(
    "$key",
    async ({ key, picture, sample_size, shape, ones }) => {
      const result = preprocessMaskImage(grayFromRgb(await imageOf(picture!)), sample_size!);
      expect(result.shape).toEqual(shape);
      expect(result.data.reduce((sum, value) => sum + value, 0)).toBe(ones);
      expect(largestDifference(result.data, expectedTensor(key, (byte) => byte).data)).toBe(0);
    },
  );

  test.each(cases(golden.preprocess_mask.filter((row) => !row.picture)))("$key", ({ key, shape }) => {
    const result = binarizeMask(storedTensor(`${key}.in`));
    expect(result.shape).toEqual(shape);
    expect(largestDifference(result.data, storedTensor(key).data)).toBe(0);
  });
});

test.each(cases(golden.preprocess_sr))("low resolution $key", async (row) => {
  const image = await imageAsIs(row);
  const run = () => preprocessLowResolution(image, row.num_images_per_prompt);
  if (row.error) {
    expect(run).toThrow(InputImageError);
    return;
  }
  expect(run().shape).toEqual(row.shape);
  expect(largestDifference(run().data, storedTensor(row.key).data)).toBe(0);
});

test("an image too narrow to be enlarged is refused", () => {
  const line = { data: new Uint8Array(3 * 60_000), width: 60_000, height: 1, channels: 3 } as const;
  expect(() => preprocessImage(line, 256)).toThrow(InputImageError);
});
