import { expect, test } from "vitest";
import { addTile, countTiles, cropTile, tileGrid, tilesOf } from "../../src/math/blended-tiles.ts";
import { createGenerator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";

test.each([
  { width: 100, height: 64, tile: { width: 32, height: 32, overlap: 8 }, tiles: 4 * 3 },
  { width: 33, height: 20, tile: { width: 32, height: 20, overlap: 0 }, tiles: 2 },
  { width: 32, height: 7, tile: { width: 32, height: 32, overlap: 8 }, tiles: 1 },
  { width: 65, height: 65, tile: { width: 16, height: 32, overlap: 8 }, tiles: 8 * 3 },
])("$width x $height: all places are covered with shares that add up to 1", ({ width, height, tile, tiles }) => {
  const grid = tileGrid({ width, height }, tile);
  expect(countTiles(grid)).toBe(tiles);
  for (const [spans, length] of [[grid.columns, width] as const, [grid.rows, height] as const]) {
    const sums = new Float64Array(length);
    for (const { start, shares } of spans) shares.forEach((share, place) => (sums[start + place]! += share));
    sums.forEach((sum) => expect(sum).toBeCloseTo(1, 12));
  }
});

test("neighbours overlap at least as far as is asked for, and their shares cross over there", () => {
  const { columns } = tileGrid({ width: 100, height: 1 }, { width: 32, height: 32, overlap: 8 });
  columns.slice(1).forEach(({ start }, index) => expect(columns[index]!.start + 32 - start).toBeGreaterThanOrEqual(8));
  const [first, second] = tileGrid({ width: 56, height: 1 }, { width: 32, height: 1, overlap: 8 }).columns;
  expect(second?.start).toBe(24);
  expect(first!.shares.slice(23).every((share, at, all) => at === 0 || share < all[at - 1]!)).toBe(true);
  expect(first!.shares[23]).toBe(1);
});

test("the grid of a larger image is cut at the same places", () => {
  const image = { width: 50, height: 40 };
  const tile = { width: 16, height: 16, overlap: 5 };
  const [small, large] = [tileGrid(image, tile), tileGrid(image, tile, 4)];
  expect(large.columns.map(({ start }) => start)).toEqual(small.columns.map(({ start }) => 4 * start));
  expect(large.rows[0]?.shares.length).toBe(64);
});

test("tiles that are cut out and laid back make the image", () => {
  const image = createGenerator(1).randn([2, 3, 40, 50]);
  const sum: Tensor = { data: new Float32Array(image.data.length), shape: image.shape };
  const places = tilesOf(tileGrid({ width: 50, height: 40 }, { width: 16, height: 16, overlap: 6 }));
  for (const place of places) addTile(sum, cropTile(image, place), place);
  sum.data.forEach((value, at) => expect(Math.abs(value - image.data[at]!)).toBeLessThan(1e-6));
});

test("a margin is left out of each tile's edges, but not of the image's", () => {
  const tile = { width: 32, height: 32, overlap: 12, margin: 3 };
  for (const [width, scale] of [
    [92, 1],
    [100, 4],
    [40, 2],
  ] as const) {
    const { columns } = tileGrid({ width, height: 32 }, tile, scale);
    const sums = new Float64Array(scale * width);
    for (const { start, shares } of columns) shares.forEach((share, place) => (sums[start + place]! += share));
    sums.forEach((sum) => expect(sum).toBeCloseTo(1, 12));
    columns.forEach(({ shares }, index) => {
      const edges = [shares.slice(0, 3 * scale), shares.slice(-3 * scale)];
      const isEdge = [index > 0, index < columns.length - 1];
      edges.forEach((edge, at) => {
        expect([...new Set(edge)], `${width} ${index} ${at}`).toEqual([isEdge[at] ? 0 : 1]);
      });
    });
  }
});
