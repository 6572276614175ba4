import { describe, expect, test } from "vitest";
import {
  grayFromRgb,
  multiplyBytes,
  premultiplyAlpha,
  rgbFromCmyk,
  rgbFromPixels,
  unpremultiplyAlpha,
} from "../../src/image/pixels.ts";

function pixels<C extends number>(channels: C, values: readonly number[]) {
  return { data: Uint8Array.from(values), width: values.length / channels, height: 1, channels };
}

test("multiplyBytes rounds a·b/255 for all bytes", () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) {
      if (multiplyBytes(a, b) !== Math.round((a * b) / 255)) expect.fail(`${a} · ${b} = ${multiplyBytes(a, b)}`);
    }
  }
});

describe("conversions give Pillow's numbers", () => {
  test("CMYK to RGB", () => {
    const inks = [0, 0, 0, 0, 255, 0, 10, 0, 12, 200, 90, 40, 255, 255, 255, 255, 100, 150, 200, 128, 30, 20, 250, 200];
    const expected = [255, 255, 255, 0, 255, 245, 205, 46, 139, 0, 0, 0, 77, 52, 27, 49, 51, 1];
    expect([...rgbFromCmyk(pixels(4, inks)).data]).toEqual(expected);
  });

  test("RGB to gray", () => {
    const colours = [0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255, 12, 200, 90, 77, 77, 77];
    expect([...grayFromRgb(pixels(3, colours)).data]).toEqual([0, 255, 76, 150, 29, 131, 77]);
  });

  test("alpha is dropped, gray is spread", () => {
    expect([...rgbFromPixels(pixels(4, [1, 2, 3, 0, 4, 5, 6, 255])).data]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...rgbFromPixels(pixels(2, [7, 0, 8, 255])).data]).toEqual([7, 7, 7, 8, 8, 8]);
    expect([...rgbFromPixels(pixels(1, [7, 8])).data]).toEqual([7, 7, 7, 8, 8, 8]);
  });
});

test("premultiplying weights colours by alpha and can be undone where alpha is full or nothing is lost", () => {
  const image = pixels(4, [200, 100, 50, 0, 200, 100, 50, 128, 200, 100, 50, 255]);
  const weighted = premultiplyAlpha(image);
  expect([...weighted.data]).toEqual([0, 0, 0, 0, 100, 50, 25, 128, 200, 100, 50, 255]);
  expect([...unpremultiplyAlpha(weighted).data]).toEqual([0, 0, 0, 0, 199, 99, 49, 128, 200, 100, 50, 255]);
});
