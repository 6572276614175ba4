/** A quick sample of each kind of image that is refused by its header; scripts/torture measures many. */

import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { InputImageError } from "../../src/errors.ts";
import { allowedBytes, decodeBytes } from "../../src/image/decode-memory.ts";
import { readImage, readMask } from "../../src/image/read-image.ts";
import { countTiffPages } from "../../src/image/tiff-pages.ts";
import { png, tiffOf } from "../../scripts/torture/small-images.ts";

const folder = mkdtempSync(join(tmpdir(), "if-gen-foreign-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function save(name: string, content: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const heic = (brands: string): Buffer =>
  Buffer.concat([Buffer.from([0, 0, 0, 8 + brands.length]), Buffer.from(`ftyp${brands}`), Buffer.alloc(64)]);

describe("refuses by its first bytes, and says what it is", () => {
  test.each([
    ["photo.heic", heic("heic\0\0\0\0mif1heic"), /is a HEIC image.*heif-convert.*JPEG/u],
    ["photo.heif", heic("mif1\0\0\0\0mif1heix"), /is a HEIC image/u],
    ["page.png", Buffer.from("\n<!DOCTYPE html><p>404"), /is a web page/u],
    ["old.bmp", Buffer.from("BM\0\0\0\0"), /is a BMP image/u],
    ["deep.png", png({ width: 11000, height: 11000, depth: 16, colour: 0 }), /has 11000x11000 pixels in 1 MB.*605 MB/u],
    ["wide.png", png({ width: 16000, height: 16000, depth: 1, colour: 0 }), /has 16000x16000 pixels/u],
    ["interlaced.png", png({ width: 6000, height: 6000, depth: 8, colour: 6, interlaced: true }), /288 MB of memory/u],
    ["pages.tif", tiffOf(2000, false), /has more than 1000 pages/u],
    ["circle.tif", tiffOf(3, true), /has more than 1000 pages/u],
  ])("%s", async (name, content, message) => {
    const reading = readImage(save(name, content));
    await expect(reading).rejects.toBeInstanceOf(InputImageError);
    await expect(reading).rejects.toThrow(message);
  });

  test("a file of a gigabyte", async () => {
    const path = save("sparse.png", png({ width: 8, height: 8, depth: 8, colour: 2 }));
    truncateSync(path, 1_000_000_000);
    await expect(readImage(path)).rejects.toThrow(/larger than 256 MiB/u);
  });
});

test("gray of 16 bits is cut off at 255 as Pillow cuts it, and it is said", async () => {
  const data = Uint16Array.from([0, 200, 256, 40_000, 65_535, 17]);
  const path = join(folder, "gray16.png");
  await sharp(data, { raw: { width: 3, height: 2, channels: 1 } })
    .toColourspace("grey16")
    .png()
    .toFile(path);
  const mask = await readMask(path);
  expect([...mask.data]).toEqual([0, 200, 255, 255, 255, 17]);
  expect(mask.notes.join()).toMatch(/gray with 16 bits/u);
  const image = await readImage(path);
  expect([...image.data]).toEqual([0, 0, 0, 200, 200, 200, ...Array.from({ length: 9 }, () => 255), 17, 17, 17]);
});

test("counts pages up to a limit", () => {
  expect(countTiffPages(tiffOf(3, false), 10)).toBe(3);
  expect(countTiffPages(tiffOf(30, false), 10)).toBe(11);
  expect(countTiffPages(Buffer.from("II*\0\xff\xff\xff\xff".padEnd(20, "\0"), "latin1"), 10)).toBe(1); // leads out of the file
  expect(countTiffPages(png({ width: 1, height: 1, depth: 8, colour: 2 }), 10)).toBe(0);
});

describe("what decoding takes", () => {
  const photo = { width: 4000, height: 3000, channels: 3, space: "srgb", depth: "uchar" } as const;

  test.each([
    ["a JPEG", { format: "jpeg" }, 3],
    ["a progressive JPEG keeps its coefficients", { format: "jpeg", isProgressive: true }, 9],
    ["one that is turned is held twice", { format: "jpeg", orientation: 6 }, 6],
    ["a gray one becomes RGB", { format: "jpeg", channels: 1 }, 4],
    ["an AVIF", { format: "heif" }, 18],
  ] as const)("%s", (_, fields, bytesPerPixel) => {
    const metadata = { ...photo, ...fields } as unknown as Parameters<typeof decodeBytes>[0];
    expect(decodeBytes(metadata, true)).toBe(bytesPerPixel * 12_000_000);
  });

  test("photographs of today's cameras are allowed: their files are large themselves", () => {
    expect(allowedBytes(4_000_000)).toBeGreaterThan(18 * 16e6); // AVIF, 16 megapixels
    expect(allowedBytes(30_000_000)).toBeGreaterThan(9 * 60e6); // progressive JPEG, 60 megapixels
    expect(allowedBytes(60_000_000)).toBeGreaterThan(3 * 200e6); // JPEG, 200 megapixels
    expect(allowedBytes(130_000)).toBe(160_000_000);
  });
});
