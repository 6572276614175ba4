import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { BatchFolder } from "../../../src/run/batch/batch-folder.ts";

const whole = { number: 1, count: 1 };

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "out");
}

test("a batch that ended before its first job is in nobody's way", async () => {
  const folder = newFolder();
  await (await BatchFolder.open(folder, whole, { resume: false })).close();
  await (await BatchFolder.open(folder, whole, { resume: false })).close();
});

test.each([
  ["with jobs at work", (batch: BatchFolder) => batch.takeChunk(0, ["a"])],
  [
    "with a job that ended",
    (batch: BatchFolder) =>
      batch.manifest.add({ index: 1, line: 1, status: "failed", files: [], at: "2026-01-31T00:00:00.000Z" }),
  ],
])("one %s is gone on with, or another folder is named", async (_, begin) => {
  const folder = newFolder();
  const batch = await BatchFolder.open(folder, whole, { resume: false });
  await begin(batch);
  await batch.close();
  await expect(BatchFolder.open(folder, whole, { resume: false })).rejects.toThrow(
    /holds a batch already; add --resume/,
  );
  await (await BatchFolder.open(folder, whole, { resume: true })).close();
});
