import { expect, test } from "vitest";
import { pasteBack } from "../../src/image/paste-back.ts";
import type { GrayImage, RgbImage } from "../../src/image/pixels.ts";

const plain = (width: number, height: number, value: number): RgbImage => ({
  data: new Uint8Array(3 * width * height).fill(value),
  width,
  height,
  channels: 3,
});
/** White from column `from` to before `to`. */
const stripe = (width: number, height: number, from: number, to: number): GrayImage => ({
  data: Uint8Array.from({ length: width * height }, (_, at) => (at % width >= from && at % width < to ? 255 : 0)),
  width,
  height,
  channels: 1,
});
const firstRow = ({ data, width }: RgbImage): number[] => Array.from({ length: width }, (_, x) => data[3 * x] ?? -1);

test("outside the mask the original, inside the result, half and half along the inner edge", () => {
  const pasted = pasteBack(plain(8, 4, 200), plain(8, 4, 100), stripe(8, 4, 2, 6));
  expect(firstRow(pasted)).toEqual([100, 100, 150, 200, 200, 150, 100, 100]);
});

test("the seam is as wide as a pixel of 256, and the image's border is no edge", () => {
  const pasted = pasteBack(plain(1024, 768, 250), plain(1024, 768, 0), stripe(1024, 768, 0, 512));
  expect(firstRow(pasted).slice(506, 514)).toEqual([250, 250, 250, 188, 125, 63, 0, 0].toSpliced(0, 3, 250, 250, 250));
  expect(firstRow(pasted)[0]).toBe(250);
});

test("original and mask may have other sizes; a gray mask is cut at the middle", () => {
  const mask: GrayImage = { data: Uint8Array.of(127, 128), width: 2, height: 1, channels: 1 };
  const pasted = pasteBack(plain(8, 8, 200), plain(3, 5, 100), mask);
  expect(new Set(firstRow(pasted).slice(0, 3))).toEqual(new Set([100]));
  expect(firstRow(pasted).at(-1)).toBe(200);
});
