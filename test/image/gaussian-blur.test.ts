import { expect, test } from "vitest";
import { blurBeyondRecognition } from "../../src/image/gaussian-blur.ts";
import type { RgbImage } from "../../src/image/pixels.ts";

const imageOf = (
  width: number,
  height: number,
  value: (x: number, y: number, channel: number) => number,
): RgbImage => ({
  data: Uint8Array.from({ length: 3 * width * height }, (_, at) => {
    const pixel = Math.floor(at / 3);
    return value(pixel % width, Math.floor(pixel / width), at % 3);
  }),
  width,
  height,
  channels: 3,
});

test("an even colour stays, channel by channel", () => {
  const even = imageOf(20, 30, (_, __, channel) => 60 * channel + 1);
  expect(blurBeyondRecognition(even)).toEqual(even);
});

// torchvision's GaussianBlur(99, sigma=(100, 100)) of a ramp 0, 2, 4, ... 198 along the columns, at columns 0, 25, 50, 75, 99
const ramp = [48, 62, 100, 137, 150];

test("a ramp becomes what torchvision's blur makes of it, along rows and columns alike", () => {
  const along = blurBeyondRecognition(imageOf(100, 1, (x) => 2 * x));
  expect([0, 25, 50, 75, 99].map((x) => along.data[3 * x])).toEqual(ramp);
  const down = blurBeyondRecognition(imageOf(1, 100, (_, y) => 2 * y));
  expect(down.data).toEqual(along.data);
});

test("of images smaller than the blur nothing can be made out either", () => {
  const { data } = blurBeyondRecognition(imageOf(16, 16, (x) => (x % 8 < 4 ? 0 : 255)));
  expect(Math.max(...data) - Math.min(...data)).toBeLessThan(12);
});
