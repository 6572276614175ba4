/** ESRGAN's images, whole and in tiles. */

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../src/math/tensor.ts";
import type { RrdbNetConfig } from "../../src/models/rrdbnet.ts";
import { type EsrganOptions, withEsrgan } from "../../src/pipelines/esrgan.ts";
import { withFolder } from "../models/checkpoint-copy.ts";
import { numbers, writeEsrgan } from "../models/tiny-esrgan.ts";

/** Sees 19 pixels around one: a convolution each before the blocks and after, 15 in the block, less after the doublings. */
const oneBlock = { blocks: 1, features: 4, growth: 2 };
const REACH = 20;

const imageOf = (width: number, height: number): Tensor => ({
  data: numbers(5, 3 * width * height).map((x) => (x + 1) / 2),
  shape: [1, 3, height, width],
});

const enlarge = (
  config: Partial<RrdbNetConfig>,
  image: Tensor,
  scale: number,
  tiles?: { width: number; height: number; overlap: number },
  told: [number, number][] = [],
): Promise<Tensor> =>
  withFolder(async (folder) => {
    const file = join(folder, "up.safetensors");
    await writeEsrgan(file, config);
    const [, , height = 0, width = 0] = image.shape;
    const options: EsrganOptions = {
      file,
      width: scale * width,
      height: scale * height,
      ...(tiles ? { tiles } : {}),
      settings: { executionProvider: "cpu", threads: 1 },
    };
    return withEsrgan(options, (run) => run(image, (done, count) => told.push([done, count])));
  });

const difference = (a: Tensor, b: Tensor): number => {
  expect(a.shape).toEqual(b.shape);
  return a.data.reduce((most, value, index) => Math.max(most, Math.abs(value - b.data[index]!)), 0);
};

describe("in tiles", () => {
  test("whose margins are as wide as the network sees: the whole image, to rounding", async () => {
    const image = imageOf(250, 170);
    const tile = { width: 4 * 170, height: 4 * 170, overlap: 4 * 4 * REACH };
    const told: [number, number][] = [];
    const tiled = await enlarge(oneBlock, image, 4, tile, told);
    expect(told).toEqual([
      [1, 2],
      [2, 2],
    ]);
    expect(difference(tiled, await enlarge(oneBlock, image, 4))).toBeLessThan(1e-5);
  });

  test("with less: near it", async () => {
    const image = imageOf(96, 64);
    const tiled = await enlarge(oneBlock, image, 4, { width: 4 * 48, height: 4 * 48, overlap: 4 * 16 });
    const apart = difference(tiled, await enlarge(oneBlock, image, 4));
    expect(apart).toBeGreaterThan(1e-5);
    expect(apart).toBeLessThan(0.05);
  });

  test("of blocks of pixels, and a side that is no multiple of one", async () => {
    const config = { ...oneBlock, inChannels: 12 };
    const image = imageOf(251, 33);
    // a tile is cut between blocks: each sees 2 · 20 pixels around it
    const tiled = await enlarge(config, image, 2, { width: 2 * 200, height: 2 * 34, overlap: 2 * 160 });
    expect(tiled.shape).toEqual([1, 3, 66, 502]);
    expect(difference(tiled, await enlarge(config, image, 2))).toBeLessThan(1e-5);
  });
});

test("scale 1 gives an image of the same size", async () => {
  const drawn = await enlarge({ ...oneBlock, inChannels: 48 }, imageOf(13, 10), 1);
  expect(drawn.shape).toEqual([1, 3, 10, 13]);
});
