import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mergeManifests } from "../../../src/run/batch/merge.ts";
import { temporaryFolder } from "../../cli/run-cli.ts";

const lineOf = (index: number, status: "drawn" | "failed", at: string): string =>
  `${JSON.stringify({ index, line: index, status, files: [], at })}\n`;

test("of each job its last line, shard after shard, as they ended; jobs of any number; what a kill cut off is left out", async () => {
  const folder = temporaryFolder();
  const first = [lineOf(1, "failed", "a"), lineOf(5003, "drawn", "b"), '{"index":3,', lineOf(1, "drawn", "c")];
  writeFileSync(join(folder, "manifest-1-of-3.jsonl"), first.join("").replace('{"index":3,', '{"index":3,\n'));
  writeFileSync(join(folder, "manifest-3-of-3.jsonl"), lineOf(3, "failed", "d"));
  expect(await mergeManifests(folder)).toMatchObject({ drawn: 2, failed: 1, missing: ["2/3"] });
  const merged = readFileSync(join(folder, "manifest.jsonl"), "utf8");
  expect(merged).toBe(lineOf(5003, "drawn", "b") + lineOf(1, "drawn", "c") + lineOf(3, "failed", "d"));
});
