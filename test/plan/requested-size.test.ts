import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Checkpoints, DiffusionCheckpoint } from "../../src/plan/read-checkpoints.ts";
import type { Request } from "../../src/plan/request.ts";
import { describeRequestedSize, requestedSizes } from "../../src/plan/requested-size.ts";
import { diffusionUntil, type Side } from "../../src/plan/stages.ts";
import { bundledPath } from "../golden.ts";
import { plainRequest } from "./plain-request.ts";

interface Row {
  readonly ratio: string;
  readonly stage_1: [number, number];
  readonly stage_2: [number, number];
}
const { sizes: rows } = JSON.parse(readFileSync(bundledPath("steering", "steering.json"), "utf8")) as { sizes: Row[] };

/** What the published checkpoints take. */
function sizesOf(changes: Partial<Request>, until: Side = 1024): [number, number][] {
  const grids = { "stage-1": { sampleSize: 64, multiple: 8 }, "stage-2": { sampleSize: 256, multiple: 16 } };
  const diffusion = diffusionUntil(until).map((stage) => {
    const grid = stage.name === "stage-3" ? {} : { grid: grids[stage.name] };
    return { stage, folder: "", ...grid } as DiffusionCheckpoint;
  });
  const checkpoints: Checkpoints = { diffusion, text: "", hasWatermark: false, notes: [] };
  const sizes = requestedSizes(checkpoints, { ...plainRequest, until, ...changes });
  return [...sizes.values()].map(({ width, height }) => [width, height]);
}
const sides = (text: string): { width: number; height: number } => {
  const [width = 0, height = 0] = text.split(/[:x]/).map(Number);
  return { width, height };
};

test.each(rows)("$ratio as the original computes it, and the upscaler four times that", ({ ratio, ...expected }) => {
  const [first, second, third] = sizesOf({ aspectRatio: sides(ratio) });
  expect([first, second]).toEqual([expected.stage_1, expected.stage_2]);
  expect(third).toEqual(expected.stage_2.map((side) => 4 * side));
});

test("nothing asked for: squares of the networks' own size", () => {
  expect(sizesOf({})).toEqual([64, 256, 1024].map((side) => [side, side]));
});

describe("stages' own sides", () => {
  const stages = (first: object, second: object = {}): Partial<Request> => ({
    stages: { "stage-1": first, "stage-2": second },
  });

  test("later stages follow, unless they are told theirs", () => {
    expect(sizesOf(stages({ width: 96 }))).toEqual([
      [96, 64],
      [384, 256],
      [1536, 1024],
    ]);
    expect(sizesOf(stages({ width: 96, height: 48 }, { height: 208 }), 256)).toEqual([
      [96, 48],
      [256, 208],
    ]);
  });

  test("what a network cannot draw, or is said twice, is refused", () => {
    expect(() => sizesOf(stages({ width: 70 }))).toThrow(
      "--stage-1-width 70: the network of stage 1 takes sides that are multiples of 8",
    );
    expect(() => sizesOf(stages({}, { width: 264 }))).toThrow("--stage-2-width 264");
    expect(() => sizesOf(stages({ width: 64, height: 256 }))).toThrow("a shape of 64:256 is too long");
    expect(() => sizesOf({ ...stages({ width: 64 }), aspectRatio: sides("3:2") })).toThrow(
      "--aspect-ratio and --stage-1-width exclude each other",
    );
    const start = { image: "car.png", pasteBack: false };
    expect(() => sizesOf({ ...stages({}, { height: 256 }), start })).toThrow("leave --stage-2-height out");
  });
});

describe("a size in pixels", () => {
  test("is that of the last stage that is drawn", () => {
    expect(sizesOf({ size: sides("1536x1024") })).toEqual([
      [96, 64],
      [384, 256],
      [1536, 1024],
    ]);
    expect(sizesOf({ size: sides("256x384") }, 256).at(-1)).toEqual([256, 384]);
  });

  test("whose long side is no multiple is the nearest, which is said", () => {
    const size = sides("1500x1024");
    expect(sizesOf({ size }).at(-1)).toEqual([1536, 1024]);
    const note = describeRequestedSize({ ...plainRequest, size }, sides("1536x1024"));
    expect(note).toMatch(/1536x1024 is drawn, not 1500x1024/);
    expect(describeRequestedSize({ ...plainRequest, size }, size)).toBeUndefined();
  });
});

test.each<[Partial<Request>, RegExp]>([
  [{ aspectRatio: sides("10:3") }, /10:3 is too long/],
  [{ aspectRatio: sides("3:10") }, /3:10 is too long/],
  [{ size: sides("768x512") }, /short side of the last stage is 1024, for instance 1536x1024/],
  [{ size: sides("1024x1024"), aspectRatio: sides("1:1") }, /exclude each other/],
  [{ aspectRatio: sides("3:2"), start: { image: "car.png", pasteBack: false } }, /leave --aspect-ratio out/],
])("refused: %j", (changes, words) => {
  expect(() => sizesOf(changes)).toThrow(words);
});
