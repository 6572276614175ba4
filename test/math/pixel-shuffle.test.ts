import { expect, test } from "vitest";
import { cropTo, padToMultiple, pixelUnshuffle } from "../../src/math/pixel-shuffle.ts";

const counted = (...shape: number[]) => ({
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, index) => index),
  shape,
});

test("blocks become channels in torch's order: row by row of the block, channel by channel", () => {
  const { data, shape } = pixelUnshuffle(counted(1, 2, 2, 4), 2);
  expect(shape).toEqual([1, 8, 1, 2]);
  // torch.nn.functional.pixel_unshuffle(torch.arange(16.).reshape(1, 2, 2, 4), 2).flatten()
  expect([...data]).toEqual([0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15]);
});

test("a block of one pixel is the image, and a side has to be a multiple", () => {
  const x = counted(1, 1, 3, 4);
  expect(pixelUnshuffle(x, 1)).toBe(x);
  expect(() => pixelUnshuffle(x, 2)).toThrow("4x3 has no blocks of 2 pixels");
});

test("padding mirrors without the edge, and cropping takes it off again", () => {
  const x = counted(1, 1, 3, 3);
  const padded = padToMultiple(x, 4);
  // numpy.pad(numpy.arange(9).reshape(3, 3), ((0, 1), (0, 1)), mode="reflect")
  expect([...padded.data]).toEqual([0, 1, 2, 1, 3, 4, 5, 4, 6, 7, 8, 7, 3, 4, 5, 4]);
  expect(padded.shape).toEqual([1, 1, 4, 4]);
  expect(cropTo(padded, 3, 3)).toEqual(x);
  expect(padToMultiple(padded, 2)).toBe(padded);
});

test("an image of one pixel is repeated", () => {
  expect([...padToMultiple(counted(1, 1, 1, 1), 2).data]).toEqual([0, 0, 0, 0]);
});
