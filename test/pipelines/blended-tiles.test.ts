import { expect, test } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { dividedTiles, predictInTiles, runInTiles, tileCount } from "../../src/pipelines/blended-tiles.ts";

const tiles = { width: 16, height: 16, overlap: 4 };
const image = createGenerator(3).randn([2, 3, 24, 40]);

/** A network that looks at single pixels: whole or in tiles, it gives the same. */
const squares = (x: Tensor): Promise<Tensor> =>
  Promise.resolve({ data: x.data.map((value) => value * value), shape: x.shape });

test("what looks at single pixels gives in tiles what it gives on the whole", async () => {
  const seen: (readonly number[])[] = [];
  const predict = predictInTiles((x) => (seen.push(x.shape), squares(x)), tiles);
  const [whole, tiled] = [await squares(image), await predict(image, 5)];
  expect(tiled.shape).toEqual(image.shape);
  tiled.data.forEach((value, at) => expect(Math.abs(value - whole.data[at]!)).toBeLessThan(1e-5));
  expect(seen).toEqual(Array.from({ length: tileCount({ width: 40, height: 24 }, tiles) }, () => [2, 3, 16, 16]));
});

test("each tile is told of, in order", async () => {
  const told: string[] = [];
  await predictInTiles(squares, tiles, (done, all) => told.push(`${done}/${all}`))(image, 0);
  expect(told).toEqual(["1/6", "2/6", "3/6", "4/6", "5/6", "6/6"]);
});

test("a network that enlarges: its tiles are laid where theirs were cut", async () => {
  const twice = (x: Tensor): Promise<Tensor> => {
    const [batch = 0, , height = 0, width = 0] = x.shape;
    const data = new Float32Array(batch * 4 * height * width);
    for (let b = 0; b < batch; b++) {
      for (let y = 0; y < 2 * height; y++) {
        for (let at = 0; at < 2 * width; at++) {
          data[(b * 2 * height + y) * 2 * width + at] = x.data[(b * 3 * height + (y >> 1)) * width + (at >> 1)]!;
        }
      }
    }
    return Promise.resolve({ data, shape: [batch, 1, 2 * height, 2 * width] });
  };
  const [whole, tiled] = [await twice(image), await runInTiles(image, tiles, 2, twice)];
  expect(tiled.shape).toEqual(whole.shape);
  tiled.data.forEach((value, at) => expect(Math.abs(value - whole.data[at]!)).toBeLessThan(1e-5));
});

test("without tiles the network is given back as it is", () => {
  expect(predictInTiles(squares, undefined)).toBe(squares);
});

test("latents have a fourth of the sides, and as many tiles", () => {
  const drawn = { width: 1024, height: 640, overlap: 256 };
  const image4 = { width: 4096, height: 640 };
  expect(dividedTiles(drawn, 4)).toEqual({ width: 256, height: 160, overlap: 64 });
  expect(tileCount({ width: 1024, height: 160 }, dividedTiles(drawn, 4))).toBe(tileCount(image4, drawn));
});
