import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { canDrawLabels, drawLabel, wrapText } from "../../src/image/label.ts";
import { readImage } from "../../src/image/read-image.ts";
import { encodePlainPng } from "../../src/image/plain-png.ts";
import { drawSheet } from "../../src/image/sheet.ts";
import { withFolder } from "../models/checkpoint-copy.ts";

const hasFont = await canDrawLabels();
const none = { rowLabels: [], columnLabels: [], captions: [] };

const colours = [
  [255, 0, 0],
  [0, 255, 0],
  [0, 0, 255],
] as const;

/** Images of one colour each, 40 x 20. */
const withImages = <T>(use: (paths: string[]) => Promise<T>): Promise<T> =>
  withFolder(async (folder) => {
    const paths = colours.map((_, index) => join(folder, `${index}.png`));
    for (const [index, colour] of colours.entries()) {
      const data = Uint8Array.from({ length: 3 * 40 * 20 }, (__, at) => colour[at % 3]!);
      await writeFile(paths[index]!, encodePlainPng({ data, width: 40, height: 20 }));
    }
    return use(paths);
  });

const pixelsOf = async (png: Buffer) => {
  const image = await withFolder(async (folder) => {
    const path = join(folder, "sheet.png");
    await writeFile(path, png);
    return readImage(path);
  });
  const at = (x: number, y: number) => Array.from(image.data.slice(image.channels * (y * image.width + x)).slice(0, 3));
  return { ...image, at };
};

describe("a sheet", () => {
  test("has its images row by row, empty cells white, in their own size", async () => {
    const sheet = await withImages(async ([a, b, c]) =>
      drawSheet([a!, b!, "", c!], { ...none, columns: 2, cell: 256 }),
    );
    const { width, height, at } = await pixelsOf(sheet);
    expect([width, height]).toEqual([2 * 40 + 3 * 8, 2 * 20 + 3 * 8]);
    expect(at(8, 8)).toEqual([255, 0, 0]);
    expect(at(8 + 39, 8 + 19)).toEqual([255, 0, 0]);
    expect(at(8 + 40, 8)).toEqual([255, 255, 255]);
    expect(at(8 + 48, 8)).toEqual([0, 255, 0]);
    expect(at(8, 8 + 28)).toEqual([255, 255, 255]);
    expect(at(8 + 48, 8 + 28)).toEqual([0, 0, 255]);
  });

  test("makes larger images smaller", async () => {
    const sheet = await withImages(async ([a]) => drawSheet([a!], { ...none, columns: 1, cell: 10 }));
    const { width, height, at } = await pixelsOf(sheet);
    expect([width, height]).toEqual([10 + 16, 5 + 16]);
    expect(at(8, 8)).toEqual([255, 0, 0]);
  });

  test("is bounded however many images it has", async () => {
    const sheet = await withImages(async ([a]) => {
      const paths = Array.from({ length: 9_000 }, (_, index) => (index === 0 ? a! : ""));
      return drawSheet(paths, { ...none, columns: 90, cell: 256 });
    });
    const { width, height } = await pixelsOf(sheet);
    expect(width * height).toBeLessThan(51e6);
    expect(width).toBeGreaterThan(90 * 9);
  });

  test.runIf(hasFont)("has labels above, beside and below, that leave the images where they are", async () => {
    const plain = { columns: 1, cell: 40 };
    const sheet = await withImages(async ([a]) =>
      drawSheet([a!], { ...plain, rowLabels: ["a cat"], columnLabels: ["seed 7"], captions: ["below"] }),
    );
    const { width, height, at, data } = await pixelsOf(sheet);
    const [left, top, below] = [width - 40 - 2 * 8, height - 20 - 18 - 2 * 8, 18];
    expect(at(left + 8, top + 8)).toEqual([255, 0, 0]);
    expect(at(left + 8 + 39, top + 8 + 19)).toEqual([255, 0, 0]);
    const ink = (x: number, y: number, w: number, h: number): boolean =>
      Array.from({ length: w * h }, (_, index) => 3 * ((y + Math.floor(index / w)) * width + x + (index % w))).some(
        (place) => data[place]! < 128 && data[place + 1]! < 128,
      );
    expect(ink(0, top + 8, left, 20)).toBe(true);
    expect(ink(left + 8, 0, 40, top)).toBe(true);
    expect(ink(left + 8, top + 8 + 20, 40, below)).toBe(true);
  });

  test("names an image that cannot be read", async () => {
    await expect(drawSheet(["/nowhere/a.png"], { ...none, columns: 1, cell: 10 })).rejects.toThrow(
      "/nowhere/a.png cannot be put on the sheet: it is missing.",
    );
  });
});

describe("labels", () => {
  test.each([
    { text: "one two three", columns: 9, most: 3, lines: ["one two", "three"] },
    { text: "abcdefghij", columns: 4, most: 3, lines: ["abcd", "efgh", "ij"] },
    { text: "one two three four", columns: 7, most: 2, lines: ["one two", "three…"] },
    { text: "一二三", columns: 4, most: 2, lines: ["一二", "三"] },
    { text: " a\n\tb ", columns: 9, most: 1, lines: ["a b"] },
    { text: "", columns: 9, most: 1, lines: [""] },
  ])("$text in $columns columns", ({ text, columns, most, lines }) => {
    expect(wrapText(text, columns, most)).toEqual(lines);
  });

  test.runIf(hasFont)("signs of markup are signs", async () => {
    const { data } = await drawLabel("</svg> & <a>", 120, 18);
    expect(data.some((value) => value < 128)).toBe(true);
    expect((await drawLabel("", 120, 18)).data.every((value) => value === 255)).toBe(true);
  });
});
