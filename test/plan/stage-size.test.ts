import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { checkAspectRatio, describeSizeChange, readStageGrid, stageSize } from "../../src/plan/stage-size.ts";
import { goldenPath, goldenSampleSize } from "../golden.ts";

interface Rule {
  width: number;
  height: number;
  sample_size: number;
  out_width: number;
  out_height: number;
}
const { resize_rule: rules } = JSON.parse(readFileSync(goldenPath("image", "image.json"), "utf8")) as {
  resize_rule: Rule[];
};

test("the reference's sizes, wherever the network takes them", () => {
  expect(rules.length).toBeGreaterThan(0);
  for (const { width, height, sample_size: sampleSize, out_width, out_height } of rules) {
    expect(stageSize({ width, height }, { sampleSize, multiple: 8 })).toEqual({ width: out_width, height: out_height });
    const size = stageSize({ width, height }, { sampleSize, multiple: 16 });
    const isTaken = out_width % 16 === 0 && out_height % 16 === 0;
    if (isTaken) expect(size).toEqual({ width: out_width, height: out_height });
    else if (sampleSize % 16 === 0) {
      expect([size.width % 16, size.height % 16]).toEqual([0, 0]);
      expect(Math.abs(size.width - out_width) + Math.abs(size.height - out_height)).toBeLessThanOrEqual(16);
    }
  }
});

test("16:9 and 9:16 at 256: the nearest multiple of 16, said in a sentence", () => {
  const grid = { sampleSize: 256, multiple: 16 };
  expect(stageSize({ width: 1920, height: 1080 }, grid)).toEqual({ width: 448, height: 256 });
  expect(stageSize({ width: 1080, height: 1920 }, grid)).toEqual({ width: 256, height: 448 });
  expect(describeSizeChange("stage 2", { width: 1920, height: 1080 }, grid)).toMatch(/448x256, not 456x256.*of 16/);
  expect(describeSizeChange("stage 2", { width: 768, height: 512 }, grid)).toBeUndefined();
});

test("images up to 16 times as long as wide", () => {
  checkAspectRatio({ width: 1600, height: 100 });
  expect(() => checkAspectRatio({ width: 1601, height: 100 })).toThrow(/1601x100 is too narrow/);
  expect(() => checkAspectRatio({ width: 1, height: 17 })).toThrow(/crop it/);
});

test("a grid is read from the UNet's configuration", async () => {
  expect(await readStageGrid(goldenPath("checkpoints", "if-i"))).toEqual({
    sampleSize: goldenSampleSize("if-i"),
    multiple: 8,
  });
  expect(await readStageGrid(goldenPath("checkpoints", "if-ii"))).toEqual({
    sampleSize: goldenSampleSize("if-ii"),
    multiple: 16,
  });
  await expect(readStageGrid(goldenPath("checkpoints"))).rejects.toThrow(/config\.json/);
});
