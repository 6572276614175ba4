import { expect, test } from "vitest";
import {
  describeDiffusion,
  describeStage,
  diffusionNames,
  diffusionUntil,
  repositoryLayouts,
  sides,
  stageNames,
  stageTable,
} from "../../src/plan/stages.ts";

test("files: two of the text, one of each stage that draws, none of the safety checker", () => {
  expect(stageTable.flatMap(({ files }) => files)).toEqual([
    "prompt_embeds",
    "negative_prompt_embeds",
    "stage-1",
    "stage-2",
    "stage-3",
    "esrgan",
  ]);
});

test("a run up to a side takes the stages that draw up to it", () => {
  expect(sides).toEqual([64, 256, 1024]);
  expect(sides.map((side) => diffusionUntil(side).length)).toEqual([1, 2, 3]);
  expect(diffusionUntil(1024).map(({ name }) => name)).toEqual(diffusionNames);
});

test("each row is found by its name", () => {
  for (const name of stageNames) expect(describeStage(name).name).toBe(name);
  for (const name of diffusionNames) expect(describeDiffusion(name).name).toBe(name);
});

test("a repository holds the folders of all its stages, each once", () => {
  expect(Object.keys(repositoryLayouts.stage1).sort()).toEqual(
    ["text_encoder", "tokenizer", "unet", "scheduler", "watermarker", "safety_checker", "feature_extractor"].sort(),
  );
  expect(Object.keys(repositoryLayouts.stage2).sort()).toEqual(["image_noising_scheduler", "scheduler", "unet"]);
  expect(repositoryLayouts.stage1["unet"]).toEqual({ variants: ["fp16", "fp32"], essential: true });
  expect(repositoryLayouts.stage1["safety_checker"]).toMatchObject({ essential: false });
});
