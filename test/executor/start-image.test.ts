/** Where a stage starts, and with which mask. */

import { expect, test } from "vitest";
import { readStart } from "../../src/executor/start-image.ts";
import { type DiffusionStage, diffusionStages } from "../../src/plan/plan.ts";
import type { StartImage } from "../../src/plan/request.ts";
import { goldenPath } from "../golden.ts";
import { planOf } from "../plan/plan-of.ts";

const input = (name: string): string => goldenPath("image", "inputs", name);
const [stage1, stage2] = diffusionStages(planOf({ image: { width: 64, height: 64 } })) as [
  DiffusionStage,
  DiffusionStage,
];
const common = { file: input("mask_144x72.png"), shapes: [], invert: false };
const start: StartImage = { image: input("square_64x64.png"), mask: common, pasteBack: true };
const stageMask = input("mask_101x67.png");

test("a stage's own mask is read as the common one is, and the other stage keeps that", async () => {
  const given: StartImage = { ...start, stageMasks: { "stage-2": stageMask } };
  expect(await readStart(stage1, given)).toEqual(await readStart(stage1, start));
  expect(await readStart(stage2, given)).toEqual(
    await readStart(stage2, { ...start, mask: { ...common, file: stageMask } }),
  );
  expect(await readStart(stage2, given)).not.toEqual(await readStart(stage2, start));
});

test("it is inverted with the common one, whose shapes are not its own", async () => {
  const shapes = [{ kind: "rectangle", x: 0, y: 0, width: 9, height: 9 }] as const;
  const given: StartImage = {
    ...start,
    mask: { shapes: [...shapes], invert: true },
    stageMasks: { "stage-1": stageMask },
  };
  expect(await readStart(stage1, given)).toEqual(
    await readStart(stage1, { ...start, mask: { file: stageMask, shapes: [], invert: true } }),
  );
});
