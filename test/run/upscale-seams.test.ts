/** The seams of tiles do not show: the demo's upscaler on an image that is smooth across them. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { encodePng } from "../../src/image/write-png.ts";
import { requestFromOptions } from "../../src/run/job-options.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { draw } from "./draw-tiny.ts";

vi.setConfig({ testTimeout: 120_000 });

/** A ball on a ground that grows lighter, 64 pixels high. */
async function writeImage(width: number): Promise<string> {
  const height = 64;
  const data = new Uint8Array(3 * width * height);
  for (let at = 0; at < width * height; at++) {
    const [x, y] = [at % width, Math.floor(at / width)];
    const isBall = (x - width / 2) ** 2 + (y - 32) ** 2 < 400;
    data.set(isBall ? [200, 40, 40] : [120 + x / 2, 140 + x / 2, 160 + y], 3 * at);
  }
  const path = join(temporaryFolder(), "ball.png");
  await writeFile(path, await encodePng({ data, width, height, channels: 3 }));
  return path;
}

/** @returns the mean difference between a column and its right neighbour. */
function difference(pixels: Uint8Array, width: number, column: number): number {
  const rows = pixels.length / 3 / width;
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const at = 3 * (row * width + column);
    for (let c = 0; c < 3; c++) sum += Math.abs(pixels[at + c]! - pixels[at + 3 + c]!);
  }
  return sum / rows / 3;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** @returns how much larger the difference is across the edges of the tiles than beside them. */
async function seamOf(width: number, tileOverlap: number, edges: readonly number[]): Promise<number> {
  const image = await writeImage(width);
  const options = { image, seed: 3, tile: 64, tileOverlap, stage3Steps: 2, executionProvider: "cpu" };
  const [drawn] = await draw([requestFromOptions("upscale", options)], { pixels: true });
  const differenceAt = (column: number): number => difference(drawn!.images[0]!.pixels!, 4 * width, column);
  const beside = edges.flatMap((edge) => [-6, -5, -4, -3, 3, 4, 5, 6].map((away) => edge + away));
  return mean(edges.map(differenceAt)) / mean(beside.map(differenceAt));
}

test("the difference across a tile's edge is not larger than beside it; without an overlap it is", async () => {
  expect(await seamOf(112, 16, [4 * 48 - 1, 4 * 64 - 1])).toBeLessThan(1.25);
  expect(await seamOf(128, 0, [4 * 64 - 1])).toBeGreaterThan(2);
});
