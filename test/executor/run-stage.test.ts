/** The child's work in this process: pictures that a stage's file holds are checked, hidden, signed and drawn. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { StageJob, StageMessage } from "../../src/executor/protocol.ts";
import { runStageJob } from "../../src/executor/run-stage.ts";
import { writeTensorFile } from "../../src/executor/stage-files.ts";
import { readImage } from "../../src/image/read-image.ts";
import { sliceBatch } from "../../src/math/layout.ts";
import { goldenPath, hasGolden } from "../golden.ts";
import { readCases, readResults, shareOfDifferent } from "../pipelines/reference-case.ts";

const stored = readCases().find(({ name }) => name === "if_safety");
const checkpoint = goldenPath("checkpoints", "if-i");

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const safetyJob = (folder: string, count: number, action: "black" | "blur"): StageJob => ({
  stage: { name: "safety", checkpoint, action, of: { name: "stage-1", checkpoint } },
  prompt: "p",
  negativePrompt: "",
  numImages: count,
  eta: 0,
  variant: "fp32",
  seed: 1,
  folder,
  pictures: {
    files: Array.from({ length: count }, (_, index) => ({ path: join(folder, `${index}.png`), parameters: "text" })),
    watermarker: checkpoint,
  },
});

test.skipIf(!stored)(
  "the reference's flagged pictures: black under the mark, a sentence each, the scores in a file",
  async () => {
    const folder = temporaryFolder();
    const images = await (await readResults("if_safety"))("images");
    if (!images || !stored?.pil) throw new Error("the pictures are not stored");
    await writeTensorFile(folder, "stage-1", images);
    const messages: StageMessage[] = [];
    expect(
      await runStageJob(safetyJob(folder, stored.pil.files.length, "black"), (message) => messages.push(message)),
    ).toBeUndefined();
    for (const [index, file] of stored.pil.files.entries()) {
      const expected = await readImage(goldenPath("e2e", file));
      expect(shareOfDifferent(await readImage(join(folder, `${index}.png`)), expected), file).toBeLessThanOrEqual(
        0.005,
      );
    }
    const { p_scores: unsafe, w_scores: marked } = stored.pil;
    const said = messages.flatMap((message) => (message.type === "note" ? [message.text] : []));
    const wanted = stored.pil.files.flatMap((_, index) => [
      ...((unsafe?.[index] ?? 0) > 0.5
        ? [
            `Picture ${index + 1} may show something not safe for work (score ${unsafe?.[index]?.toFixed(2)}, limit 0.5)`,
          ]
        : []),
      ...((marked?.[index] ?? 0) > 0.5
        ? [`Picture ${index + 1} may show the watermark of a stock picture (score ${marked?.[index]?.toFixed(2)}`]
        : []),
    ]);
    expect(wanted.length).toBeGreaterThan(0);
    expect(said.map((text, index) => text.slice(0, wanted[index]?.length))).toEqual(wanted);
    const report = JSON.parse(readFileSync(join(folder, "safety.json"), "utf8")) as { flagged: boolean }[];
    expect(report.map(({ flagged }) => flagged)).toEqual(
      stored.pil.files.map((_, index) => (unsafe?.[index] ?? 0) > 0.5 || (marked?.[index] ?? 0) > 0.5),
    );
  },
);

test.skipIf(!stored)("blurred, a flagged picture keeps its size and loses its detail", async () => {
  const folder = temporaryFolder();
  const images = await (await readResults("if_safety"))("images");
  if (!images) throw new Error("the pictures are not stored");
  await writeTensorFile(folder, "stage-1", sliceBatch(images, 1, 2));
  const { pictures, ...job } = safetyJob(folder, 1, "blur");
  await runStageJob({ ...job, pictures: { files: pictures?.files ?? [] } }, () => undefined);
  const { data, width, height } = await readImage(join(folder, "0.png"));
  expect([width, height]).toEqual([24, 24]);
  const reds = data.filter((_, at) => at % 3 === 0);
  expect(Math.max(...reds)).toBeGreaterThan(0);
  expect(Math.max(...reds) - Math.min(...reds)).toBeLessThan(20);
});

test("the checkpoint that flags is part of the set", () =>
  expect(hasGolden("checkpoints", "if-i", "safety_checker")).toBe(true));
