/** The child's work in this process: images that a stage's file holds are checked, hidden, signed and drawn. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { StageMessage, StageTask } from "../../src/executor/protocol.ts";
import { runStageTask } from "../../src/executor/run-stage.ts";
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

const safetyTask = (
  folder: string,
  count: number,
  { action, watermarker }: { action: "black" | "blur"; watermarker?: string },
): StageTask => ({
  stage: { kind: "safety", name: "safety", checkpoint, action, of: { name: "stage-1", checkpoint } },
  numImages: count,
  eta: 0,
  variant: "fp32",
  lowMemory: {},
  jobsAtOnce: 1,
  isAhead: false,
  jobs: [
    {
      index: 0,
      prompt: "p",
      negativePrompt: "",
      seed: 1,
      folder,
      images: {
        files: Array.from({ length: count }, (_, index) => ({
          path: join(folder, `${index}.png`),
          texts: { parameters: "text" },
        })),
        ...(watermarker ? { watermarker } : {}),
      },
    },
  ],
});

test.skipIf(!stored)(
  "the reference's flagged images: black under the mark, a sentence each, the scores in a file",
  async () => {
    const folder = temporaryFolder();
    const images = await (await readResults("if_safety"))("images");
    if (!images || !stored?.pil) throw new Error("the images are not stored");
    await writeTensorFile(folder, "stage-1", images);
    const messages: StageMessage[] = [];
    const task = safetyTask(folder, stored.pil.files.length, { action: "black", watermarker: checkpoint });
    await runStageTask(task, { jobs: () => Promise.resolve(task.jobs), report: (message) => messages.push(message) });
    expect(messages.at(-1)).toEqual({ type: "finished", job: 0 }); // it draws no random number
    for (const [index, file] of stored.pil.files.entries()) {
      const expected = await readImage(goldenPath("e2e", file));
      expect(shareOfDifferent(await readImage(join(folder, `${index}.png`)), expected), file).toBeLessThanOrEqual(
        0.005,
      );
    }
    const { p_scores: unsafe, w_scores: marked } = stored.pil;
    const said = messages.flatMap((message) => (message.type === "note" ? [message.text] : []));
    const expectedTexts = stored.pil.files.flatMap((_, index) => [
      ...((unsafe?.[index] ?? 0) > 0.5
        ? [`Image ${index + 1} may show something not safe for work (score ${unsafe?.[index]?.toFixed(2)}, limit 0.5)`]
        : []),
      ...((marked?.[index] ?? 0) > 0.5
        ? [`Image ${index + 1} may show the watermark of a stock image (score ${marked?.[index]?.toFixed(2)}`]
        : []),
    ]);
    expect(expectedTexts.length).toBeGreaterThan(0);
    expect(said.map((text, index) => text.slice(0, expectedTexts[index]?.length))).toEqual(expectedTexts);
    const report = JSON.parse(readFileSync(join(folder, "safety.json"), "utf8")) as { flagged: boolean }[];
    expect(report.map(({ flagged }) => flagged)).toEqual(
      stored.pil.files.map((_, index) => (unsafe?.[index] ?? 0) > 0.5 || (marked?.[index] ?? 0) > 0.5),
    );
  },
);

test.skipIf(!stored)("blurred, a flagged image keeps its size and loses its detail", async () => {
  const folder = temporaryFolder();
  const images = await (await readResults("if_safety"))("images");
  if (!images) throw new Error("the images are not stored");
  await writeTensorFile(folder, "stage-1", sliceBatch(images, 1, 2));
  const task = safetyTask(folder, 1, { action: "blur" });
  await runStageTask(task, { jobs: () => Promise.resolve(task.jobs), report: () => undefined });
  const { data, width, height } = await readImage(join(folder, "0.png"));
  expect([width, height]).toEqual([24, 24]);
  const reds = data.filter((_, at) => at % 3 === 0);
  expect(Math.max(...reds)).toBeGreaterThan(0);
  expect(Math.max(...reds) - Math.min(...reds)).toBeLessThan(20);
});

test("the checkpoint that flags is part of the set", () =>
  expect(hasGolden("checkpoints", "if-i", "safety_checker")).toBe(true));
