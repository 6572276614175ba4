import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DrawnJobs, Manifest, type ManifestEntry, readManifest } from "../../../src/run/batch/manifest.ts";
import { mergeManifests } from "../../../src/run/batch/merge.ts";
import { temporaryFolder } from "../../cli/run-cli.ts";

const entry = (index: number, status: ManifestEntry["status"] = "drawn"): ManifestEntry => ({
  index,
  line: index,
  status,
  key: String(index).padStart(64, "0"),
  files: [],
  at: "2026-01-02T03:04:05Z",
});

async function readAll(path: string): Promise<ManifestEntry[]> {
  const entries: ManifestEntry[] = [];
  for await (const one of readManifest(path)) entries.push(one);
  return entries;
}

test("a line that a kill cut off is not counted, and what is added later stands on a line of its own", async () => {
  const path = join(temporaryFolder(), "manifest.jsonl");
  const first = await Manifest.open(path);
  await Promise.all([first.add(entry(1)), first.add(entry(2))]);
  await first.close();
  appendFileSync(path, '{"index":3,"li');
  expect((await readAll(path)).map(({ index }) => index)).toEqual([1, 2]);
  const second = await Manifest.open(path);
  await second.add(entry(4));
  await second.close();
  expect(readFileSync(path, "utf8").split("\n")).toHaveLength(5);
});

test("a file of something else is not taken for a manifest", async () => {
  const path = join(temporaryFolder(), "manifest.jsonl");
  writeFileSync(path, `hello\n${JSON.stringify(entry(1))}\n`);
  await expect(readAll(path)).rejects.toThrow(/line 1, is no manifest of if-gen batch/);
  expect(await readAll(join(temporaryFolder(), "none"))).toEqual([]);
});

test("a job counts as drawn by its last line, and for the same request only", () => {
  const drawn = new DrawnJobs();
  const key = "a".repeat(64);
  drawn.set({ index: 5000, status: "drawn", key });
  expect([
    drawn.has(5000, key),
    drawn.has(5000, "b".repeat(64)),
    drawn.has(4999, key),
    drawn.has(9_999_999, key),
  ]).toEqual([true, false, false, false]);
  drawn.set({ index: 5000, status: "failed", key });
  expect(drawn.has(5000, key)).toBe(false);
});

test("shards are joined: each job's last line; what is missing is said", async () => {
  const folder = temporaryFolder();
  const lines = (...entries: ManifestEntry[]): string => entries.map((one) => `${JSON.stringify(one)}\n`).join("");
  writeFileSync(join(folder, "manifest-1-of-3.jsonl"), lines(entry(4, "failed"), entry(1), entry(4)));
  writeFileSync(join(folder, "manifest-3-of-3.jsonl"), lines(entry(3, "failed")));
  const merged = await mergeManifests(folder);
  expect(merged).toMatchObject({ drawn: 2, failed: 1, missing: ["2/3"] });
  expect((await readAll(merged.manifest)).map(({ index, status }) => [index, status])).toEqual([
    [1, "drawn"],
    [4, "drawn"],
    [3, "failed"],
  ]);
  writeFileSync(join(folder, "manifest-1-of-2.jsonl"), "");
  await expect(mergeManifests(folder)).rejects.toThrow(/shards of 2 and of 3|shards of 3 and of 2/);
});
