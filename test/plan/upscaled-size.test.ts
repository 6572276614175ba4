import { expect, test } from "vitest";
import { InputImageError, UsageError } from "../../src/errors.ts";
import type { Checkpoints } from "../../src/plan/read-checkpoints.ts";
import type { Request } from "../../src/plan/request.ts";
import type { Size } from "../../src/plan/stage-size.ts";
import { type DiffusionName, describeDiffusion } from "../../src/plan/stages.ts";
import { upscaledSizes } from "../../src/plan/upscaled-size.ts";
import { plainRequest } from "./plain-request.ts";

/** DeepFloyd's own: stage 2 draws 256 pixels in multiples of 16. */
function sizesOf(
  stages: DiffusionName[],
  [width, height]: [number, number],
  { size, ...upscale }: Omit<NonNullable<Request["upscale"]>, "stages"> & Pick<Request, "size"> = {},
  original?: Size,
): unknown[] {
  const diffusion = stages.map((name) => {
    const stage = describeDiffusion(name);
    const grid = stage.scale === "sample-size" ? { grid: { sampleSize: 256, multiple: 16 } } : {};
    return { stage, folder: "", ...grid };
  }) as unknown as Checkpoints["diffusion"];
  const checkpoints = { diffusion } as unknown as Checkpoints;
  const request: Request = { ...plainRequest, ...(size ? { size } : {}), upscale: { stages, ...upscale } };
  return [...upscaledSizes(checkpoints, request, { width, height }, original).values()];
}

test("each stage draws four times what it is given, as near as its network can", () => {
  expect(sizesOf(["stage-3"], [250, 160])).toEqual([{ width: 992, height: 640 }]);
  expect(sizesOf(["stage-2"], [64, 96])).toEqual([{ width: 256, height: 384 }]);
  expect(sizesOf(["stage-2"], [50, 33])).toEqual([{ width: 208, height: 128 }]);
  expect(sizesOf(["stage-2", "stage-3"], [64, 50])).toEqual([
    { width: 256, height: 208 },
    { width: 1024, height: 832 },
  ]);
});

test("stage 2 draws any size that is asked for; beside an original, that one's shape at its own size", () => {
  const size = { width: 512, height: 256 };
  expect(sizesOf(["stage-2"], [64, 64], { size })).toEqual([size]);
  expect(sizesOf(["stage-2", "stage-3"], [64, 64], { size: { width: 2048, height: 1024 } })[0]).toEqual(size);
  expect(sizesOf(["stage-2"], [64, 64], {}, { width: 900, height: 600 })).toEqual([{ width: 384, height: 256 }]);
  expect(() => sizesOf(["stage-2"], [64, 64], { size: { width: 500, height: 256 } })).toThrow(/multiples of 16/);
  expect(() => sizesOf(["stage-3"], [64, 64], { size })).toThrow(/becomes 256x256/);
});

test("large images are drawn in tiles of the stage's own size, that overlap by a quarter", () => {
  const tiles = { width: 1024, height: 1024, overlap: 256 };
  expect(sizesOf(["stage-3"], [1024, 768])).toEqual([{ width: 4096, height: 3072, tiles }]);
  expect(sizesOf(["stage-3"], [256, 768])).toEqual([{ width: 1024, height: 3072 }]); // as txt2img draws it
  expect(sizesOf(["stage-3"], [256, 772])).toEqual([{ width: 1024, height: 3088, tiles }]);
  expect(sizesOf(["stage-2"], [80, 80])).toMatchObject([{ tiles: { width: 256, height: 256, overlap: 64 } }]);
});

test("tiles that are asked for, in pixels of what the stage is given", () => {
  const sizeWith = (tile: number, tileOverlap?: number): unknown =>
    sizesOf(["stage-3"], [256, 120], { tile, ...(tileOverlap === undefined ? {} : { tileOverlap }) })[0];
  expect(sizeWith(128)).toEqual({ width: 1024, height: 480, tiles: { width: 512, height: 480, overlap: 128 } });
  expect(sizeWith(128, 10)).toMatchObject({ tiles: { overlap: 40 } });
  expect(sizeWith(0)).toEqual({ width: 1024, height: 480 });
  expect(sizeWith(256)).toEqual({ width: 1024, height: 480 });
  expect(() => sizeWith(8)).toThrow(UsageError);
  expect(() => sizeWith(128, 65)).toThrow(/half a tile, which is 64/);
});

test("an image of a few pixels is refused", () => {
  expect(() => sizesOf(["stage-3"], [3, 100])).toThrow(InputImageError);
});
