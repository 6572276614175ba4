import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { downloadFiles } from "../../src/hub/download-files.ts";
import { placeOf } from "../../src/hub/layout.ts";
import { removeFile, verifyFiles } from "../../src/hub/verify-files.ts";
import { expectContent, listed, repo, startFixture, type Fixture } from "./cache.ts";
import { commit } from "./server.ts";

async function pullBoth({ settings, config, weights }: Fixture): Promise<void> {
  const paths = new Set([config.path, weights.path]);
  await downloadFiles(settings, repo, "main", ({ path }) => paths.has(path));
}

test("right files are right, and were read to the end", async () => {
  const fixture = await startFixture();
  await pullBoth(fixture);
  const read = new Map<string, number>();
  const files = [listed(fixture.config), listed(fixture.weights)];
  const onProgress = (path: string, doneBytes: number): void => void read.set(path, doneBytes);
  expect(await verifyFiles(fixture.settings, repo, commit, files, { onProgress })).toEqual([
    { path: fixture.config.path, ok: true },
    { path: fixture.weights.path, ok: true },
  ]);
  expect([...read.values()]).toEqual([1653, 100_000]);
});

test.each(["config", "weights"] as const)("one flipped bit of %s is found, at either end and between", async (kind) => {
  const fixture = await startFixture();
  await pullBoth(fixture);
  const file = listed(fixture[kind]);
  const { blob } = placeOf(fixture.settings, repo, commit, file);
  const right = readFileSync(blob);
  for (const [byte, bit] of [
    [0, 0],
    [777, 5],
    [file.bytes - 1, 7],
  ] as const) {
    const wrong = Buffer.from(right);
    wrong[byte] = (wrong[byte] ?? 0) ^ (1 << bit);
    writeFileSync(blob, wrong);
    const [result] = await verifyFiles(fixture.settings, repo, commit, [file]);
    expect(result).toMatchObject({
      ok: false,
      reason: expect.stringContaining(kind === "weights" ? "sha256" : "git hash") as string,
    });
  }
  await removeFile(fixture.settings, repo, commit, file);
  await pullBoth(fixture);
  expectContent(placeOf(fixture.settings, repo, commit, file).snapshot, fixture[kind]);
  expect(await verifyFiles(fixture.settings, repo, commit, [file])).toEqual([{ path: file.path, ok: true }]);
});

test("missing, and cut short", async () => {
  const fixture = await startFixture();
  await pullBoth(fixture);
  const files = [listed(fixture.config), listed(fixture.weights)];
  await rm(placeOf(fixture.settings, repo, commit, listed(fixture.config)).blob);
  writeFileSync(placeOf(fixture.settings, repo, commit, listed(fixture.weights)).blob, "short");
  expect(await verifyFiles(fixture.settings, repo, commit, files)).toEqual([
    { path: fixture.config.path, ok: false, reason: "missing" },
    { path: fixture.weights.path, ok: false, reason: "5 bytes instead of 100000" },
  ]);
});

test("the caller can end it", async () => {
  const fixture = await startFixture();
  await pullBoth(fixture);
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(verifyFiles(fixture.settings, repo, commit, [listed(fixture.weights)], { signal })).rejects.toThrow(
    "enough",
  );
});
