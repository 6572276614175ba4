import { expect, test } from "vitest";
import { InputImageError } from "../../src/errors.ts";
import { preprocessUpscalerImage, preprocessUpscalerTensor } from "../../src/image/preprocess-upscaler.ts";
import { tensor, zeros } from "../../src/math/tensor.ts";
import { cases, expectedTensor, golden, largestDifference, imageAsIs, stored, storedTensor } from "./golden-image.ts";

const signedUnit = (byte: number) => 2 * Math.fround(byte / 255) - 1;

test.each(cases(golden.x4_preprocess.filter((row) => row.picture)))("$key", async (row) => {
  const result = preprocessUpscalerImage(await imageAsIs(row));
  expect(result.shape).toEqual(row.shape);
  expect(largestDifference(result.data, expectedTensor(row.key, signedUnit).data)).toBe(0);
});

/** numpy inputs are (B, H, W, C). */
function channelsFirst(key: string) {
  const { data, shape } = stored(key);
  const [batch, height, width, channels] = shape as [number, number, number, number];
  const area = height * width;
  const at = (i: number) => {
    const [b, c, pixel] = [Math.trunc(i / (area * channels)), Math.trunc(i / area) % channels, i % area];
    return data[(b * area + pixel) * channels + c]!;
  };
  return tensor(
    Float32Array.from({ length: data.length }, (_, i) => at(i)),
    [batch, channels, height, width],
  );
}

test.each(cases(golden.x4_preprocess.filter((row) => !row.picture)))("$key", ({ key, shape }) => {
  const input = key.includes(".numpy.") ? channelsFirst(`${key}.in`) : storedTensor(`${key}.in`);
  const result = preprocessUpscalerTensor(input);
  expect(result.shape).toEqual(shape);
  expect(largestDifference(result.data, storedTensor(key).data)).toBe(0);
});

test("images without a pixel left are refused", () => {
  expect(() => preprocessUpscalerImage({ data: new Uint8Array(3 * 9 * 3), width: 3, height: 9, channels: 3 })).toThrow(
    InputImageError,
  );
  expect(() => preprocessUpscalerTensor(zeros([1, 3, 9, 3]))).toThrow(InputImageError);
});
