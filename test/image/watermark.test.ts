import { expect, test } from "vitest";
import { InputImageError, ShapeError } from "../../src/errors.ts";
import type { RgbImage } from "../../src/image/pixels.ts";
import { readImage } from "../../src/image/read-image.ts";
import { applyWatermark, watermarkFromTensor } from "../../src/image/watermark.ts";
import { goldenPath } from "../golden.ts";
import { cases, checkpointWatermark, golden, largestDifference, type WatermarkRow } from "./golden-image.ts";

const watermark = watermarkFromTensor(checkpointWatermark());

/** The ramps that the reference marked. */
function ramps({ size: [width, height], blue = 128 }: WatermarkRow): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    data[i * 3] = Math.floor(((i % width) * 255) / Math.max(width - 1, 1));
    data[i * 3 + 1] = Math.floor((Math.floor(i / width) * 255) / Math.max(height - 1, 1));
    data[i * 3 + 2] = blue;
  }
  return { data, width, height, channels: 3 };
}

test.each(cases(golden.watermark))("$name", async (row) => {
  const image = ramps(row);
  const before = Uint8Array.from(image.data);
  const run = () => applyWatermark(image, watermark, row.sample_size ?? undefined);
  if (row.error) {
    expect(run).toThrow(InputImageError);
    return;
  }
  const expected = await readImage(goldenPath("image", "watermark", `${row.name}.out.png`));
  expect(largestDifference(run().data, expected.data)).toBe(0);
  expect(largestDifference(image.data, before)).toBe(0);
  const changed = Array.from({ length: image.width * image.height }, (_, i) => i * 3).filter((at) =>
    [0, 1, 2].some((c) => expected.data[at + c] !== before[at + c]),
  );
  expect(changed).toHaveLength(row.changed_pixels!);
});

test("fractions of the checkpoint's values are cut off, and the size is checked", () => {
  const data = new Float32Array(62 * 62 * 4).fill(199.9);
  expect(new Set(watermarkFromTensor(data).data)).toEqual(new Set([199]));
  expect(() => watermarkFromTensor(new Float32Array(61 * 62 * 4))).toThrow(ShapeError);
});
