import { readdirSync, writeFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodePng } from "../../../src/image/write-png.ts";
import type { BatchJob } from "../../../src/run/batch/batch-jobs.ts";
import { type SortSettings, sortOut } from "../../../src/run/batch/sort-out.ts";
import type { Store } from "../../../src/run/store/s3-store.ts";
import { temporaryFolder } from "../../cli/run-cli.ts";
import { plainRequest } from "../../plan/plain-request.ts";

const pixel = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 } as const;

const jobOf = (index: number, name: string, isTaken = true): BatchJob => ({
  index,
  line: index,
  request: plainRequest,
  key: "",
  files: [`${name}-1.png`, `${name}-2.png`],
  isDrawn: false,
  isTaken,
});
const [own, part, foreign, absent] = [
  jobOf(1, "own"),
  jobOf(2, "part"),
  jobOf(3, "foreign"),
  jobOf(4, "absent", false),
];

/** A folder with the images of one job, half of those of a second, and another job's in the place of a third's. */
async function folderOf(): Promise<string> {
  const folder = temporaryFolder();
  const write = async (name: string, seed: number): Promise<void> => {
    const request = { ...plainRequest, seed, deviceId: 1 };
    const text = JSON.stringify({ version: "1", request, lowMemory: {}, inputs: [] });
    writeFileSync(join(folder, name), await encodePng(pixel, new Map([["if-gen", text]])));
  };
  for (const name of ["own-1.png", "own-2.png", "part-1.png"]) await write(name, plainRequest.seed);
  await write("foreign-1.png", plainRequest.seed + 1);
  return folder;
}

async function sort(jobs: readonly BatchJob[], given: Partial<SortSettings> = {}, isResumed = true) {
  const folder = given.folder ?? { path: await folderOf(), isResumed };
  const sorted = await sortOut(jobs, { folder, overwrite: false, isChunkResumed: false, ...given });
  const indexes = (some: readonly BatchJob[]): number[] => some.map(({ index }) => index);
  const found = indexes(sorted.found.map(([job]) => job));
  return { ...sorted, toDraw: indexes(sorted.toDraw), taken: indexes(sorted.taken), found };
}

const all = [own, part, foreign, absent];

test("a batch that begins takes no file for its own", async () => {
  expect(await sort(all, {}, false)).toEqual({ toDraw: [4], mayReplace: false, found: [], taken: [1, 2, 3] });
});

test("one that is gone on with finds what is all there, and draws the rest over its own; others' files stay", async () => {
  expect(await sort(all)).toEqual({ toDraw: [4, 2], mayReplace: true, found: [1], taken: [3] });
  expect(await sort([own, absent])).toMatchObject({ toDraw: [4], mayReplace: false });
});

test("a chunk whose finished stages are there is gone on with whole, over its own files alone", async () => {
  const isChunkResumed = true;
  expect(await sort([own, absent], { isChunkResumed })).toMatchObject({ toDraw: [1, 4], mayReplace: true, found: [] });
  expect(await sort([absent], { isChunkResumed })).toMatchObject({ toDraw: [4], mayReplace: false });
  expect(await sort(all, { isChunkResumed })).toMatchObject({ toDraw: [1, 2, 3, 4], mayReplace: false, taken: [] });
});

test("--overwrite asks nothing", async () => {
  expect(await sort(all, { overwrite: true })).toEqual({
    toDraw: [1, 2, 3, 4],
    mayReplace: true,
    found: [],
    taken: [],
  });
});

test("what a store has is looked at in the folder, and does not stay there", async () => {
  const [there, folder] = [await folderOf(), temporaryFolder()];
  const names = ["own-1.png", "own-2.png", "part-1.png", "foreign-1.png"];
  const store: Store = {
    has: async (name) => Promise.resolve(names.includes(name)),
    fetch: async (name, path) => {
      if (names.includes(name)) await copyFile(join(there, name), path);
      return names.includes(name);
    },
    put: async () => Promise.resolve(),
    close: () => undefined,
  };
  const jobs = all.map((job) => ({ ...job, isTaken: false }));
  const sorted = await sort(jobs, { store, folder: { path: folder, isResumed: true } });
  expect(sorted).toEqual({ toDraw: [4, 2], mayReplace: true, found: [1], taken: [3] });
  const settings = { store, folder: { path: folder, isResumed: true }, overwrite: false, isChunkResumed: false };
  expect((await sortOut(jobs.slice(0, 1), settings)).found[0]?.[1]).toMatchObject({
    status: "drawn",
    files: own.files.map((path) => ({ path })),
    notes: [expect.stringContaining("ended before it could tell of it")],
  });
  expect(readdirSync(folder)).toEqual([]);
});
