import { describe, expect, test } from "vitest";
import { type UpscalerFile, singlePassStage } from "../../src/plan/single-pass.ts";

const x4: UpscalerFile = { path: "/up.safetensors", sha256: "a".repeat(64), scale: 4, block: 1 };
const x2: UpscalerFile = { ...x4, scale: 2, block: 2 };

test("what a stage has drawn is enlarged by the network's scale", () => {
  const stage = singlePassStage(x4, { name: "stage-2", width: 256, height: 192 });
  expect(stage).toEqual({
    kind: "single-pass",
    name: "esrgan",
    checkpoint: "/up.safetensors",
    sha256: x4.sha256,
    width: 1024,
    height: 768,
    of: "stage-2",
  });
});

describe("tiles", () => {
  const tilesOf = (file: UpscalerFile, width: number, height: number, upscale = {}) =>
    singlePassStage(file, { width, height }, upscale).tiles;

  test.each([
    { width: 256, height: 256, tiles: undefined },
    { width: 257, height: 100, tiles: { width: 1024, height: 400, overlap: 128 } },
    { width: 1024, height: 1024, tiles: { width: 1024, height: 1024, overlap: 128 } },
  ])("of 256 pixels for $width x $height", ({ width, height, tiles }) => {
    expect(tilesOf(x4, width, height)).toEqual(tiles);
  });

  test("as they are asked for, and none with 0", () => {
    expect(tilesOf(x4, 1000, 1000, { tile: 100, tileOverlap: 10 })).toEqual({ width: 400, height: 400, overlap: 40 });
    expect(tilesOf(x4, 1000, 1000, { tile: 40 })).toEqual({ width: 160, height: 160, overlap: 40 });
    expect(tilesOf(x4, 1000, 1000, { tile: 0 })).toBeUndefined();
  });

  test("begin and end between the blocks that are taken whole", () => {
    expect(tilesOf(x2, 999, 31, { tile: 101, tileOverlap: 11 })).toEqual({ width: 200, height: 64, overlap: 20 });
  });

  test.each([
    { upscale: { tile: 3 }, message: "--tile 3: ESRGAN needs tiles of at least 4 pixels." },
    { upscale: { tile: 64, tileOverlap: 40 }, message: "--tile-overlap 40: it may be half a tile, which is 32" },
  ])("$upscale cannot be drawn", ({ upscale, message }) => {
    expect(() => tilesOf(x4, 1000, 1000, upscale)).toThrow(message);
  });
});

test("an image that would have a side of more than 32768 pixels is refused", () => {
  expect(() => singlePassStage(x4, { width: 10_000, height: 10 })).toThrow("ESRGAN would make 40000x40 of 10000x10");
});
