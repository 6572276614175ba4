import { expect, test } from "vitest";
import { composeMask } from "../../src/image/mask.ts";
import type { GrayImage } from "../../src/image/pixels.ts";

const none = { shapes: [], invert: false };
const gray = (width: number, ...values: number[]): GrayImage => ({
  data: Uint8Array.from(values),
  width,
  height: values.length / width,
  channels: 1,
});
const draw = (mask: GrayImage): string[] =>
  Array.from({ length: mask.height }, (_, y) =>
    Array.from(mask.data.subarray(y * mask.width, (y + 1) * mask.width), (value) => (value > 127 ? "#" : ".")).join(""),
  );

test("a lone file stays as it is, of its own size; inverted it is its negative", () => {
  const file = gray(2, 0, 100, 200, 255);
  expect(composeMask(file, none, { width: 9, height: 9 })).toBe(file);
  expect(composeMask(file, { ...none, invert: true }, { width: 9, height: 9 })).toEqual(gray(2, 255, 155, 55, 0));
});

test("shapes are united, and cut off at the edge", () => {
  const shapes = [
    { kind: "rectangle", x: -1, y: 1, width: 3, height: 2 },
    { kind: "rectangle", x: 5, y: 0, width: 100, height: 1 },
  ] as const;
  expect(draw(composeMask(undefined, { shapes, invert: false }, { width: 7, height: 4 }))).toEqual([
    ".....##",
    "##.....",
    "##.....",
    ".......",
  ]);
  expect(draw(composeMask(undefined, { shapes, invert: true }, { width: 7, height: 2 }))).toEqual([
    "#####..",
    "..#####",
  ]);
});

test("an ellipse touches the sides of its rectangle", () => {
  const shapes = [{ kind: "ellipse", x: 1, y: 0, width: 7, height: 5 }] as const;
  expect(draw(composeMask(undefined, { shapes, invert: false }, { width: 9, height: 5 }))).toEqual([
    "..#####..",
    ".#######.",
    ".#######.",
    ".#######.",
    "..#####..",
  ]);
});

test("a file and shapes: the file is fitted to the image first", () => {
  const shapes = [{ kind: "rectangle", x: 3, y: 1, width: 1, height: 1 }] as const;
  const file = gray(2, 255, 0);
  expect(draw(composeMask(file, { shapes, invert: false }, { width: 4, height: 2 }))).toEqual(["##..", "##.#"]);
  expect(Array.from(file.data)).toEqual([255, 0]);
});
