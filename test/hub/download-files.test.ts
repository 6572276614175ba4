/** Several files of a repository, the cache they end up in, and who else can read it. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { scanCacheDir } from "@huggingface/hub";
import { expect, test } from "vitest";
import { downloadFiles, downloadListed } from "../../src/hub/download-files.ts";
import { findCached, findCachedCommit } from "../../src/hub/find-cached.ts";
import { missingBytes } from "../../src/hub/missing-bytes.ts";
import type { DownloadEvent, RepoFile } from "../../src/hub/types.ts";
import { expectContent, filesBelow, hubErrorOf, listed, repo, startFixture, timeouts } from "./cache.ts";
import { commit, etagOf, servedFile } from "./server.ts";

const isNeeded = ({ path }: RepoFile): boolean => path.endsWith(".json") || path.endsWith(".fp16.safetensors");

test("only what was chosen arrives, in the layout every Hub client shares", async () => {
  const { hub, settings, config, weights } = await startFixture();
  const { commit: found, folder, files } = await downloadFiles(settings, repo, "main", isNeeded);
  expect(found).toBe(commit);
  const root = "models--DeepFloyd--IF-I-M-v1.0";
  expect(folder).toBe(join(settings.cacheFolder, root, "snapshots", commit));
  expect(files.map(({ file, path }) => [file, path])).toEqual([
    [listed(config), join(folder, config.path)],
    [listed(weights), join(folder, weights.path)],
  ]);
  for (const { file, path } of files) expectContent(path, file.path === config.path ? config : weights);
  expect(filesBelow(settings.cacheFolder)).toEqual(
    [
      `.locks/${root}/${etagOf(config)}.checked`,
      `.locks/${root}/${etagOf(weights)}.checked`,
      "CACHEDIR.TAG",
      `${root}/blobs/${etagOf(config)}`,
      `${root}/blobs/${etagOf(weights)}`,
      `${root}/refs/main`,
      `${root}/snapshots/${commit}/${config.path}`,
      `${root}/snapshots/${commit}/${weights.path}`,
    ].toSorted(),
  );
  expect(readFileSync(join(settings.cacheFolder, root, "refs", "main"), "utf8")).toBe(commit);
  expect(hub.seen.filter(({ path }) => path.includes(".bin"))).toEqual([]);
});

test("the real client reads the cache", async () => {
  const { settings, hub } = await startFixture();
  hub.repos.get(repo)?.files.push(servedFile("model.safetensors", 2000), servedFile("model_index.json", 20, false));
  await downloadFiles(settings, repo, "main", ({ path }) => !path.includes("/"));
  await downloadFiles(settings, repo, "v1.0", ({ path }) => !path.includes("/"));
  const { repos, warnings, size } = await scanCacheDir(settings.cacheFolder);
  expect(warnings).toEqual([]);
  expect(repos.map(({ id, filesCount }) => [id, filesCount])).toEqual([[{ name: repo, type: "model" }, 3]]);
  expect(repos[0]?.revisions.map(({ commitOid, refs }) => [commitOid, refs.toSorted()])).toEqual([
    [commit, ["main", "v1.0"]],
  ]);
  expect(size).toBe(2320);
});

test("events: a start with what is missing, progress that only grows, each file once", async () => {
  const { settings, config, weights } = await startFixture();
  const events: DownloadEvent[] = [];
  await downloadFiles(settings, repo, "main", isNeeded, { onProgress: (event) => events.push(event) });
  const totalBytes = config.content.length + weights.content.length;
  expect(events[0]).toEqual({
    kind: "start",
    files: [listed(config), listed(weights)],
    totalBytes,
    missingBytes: totalBytes,
  });
  const progress = events.flatMap((event) => (event.kind === "progress" ? [event.totalDoneBytes] : []));
  expect(progress.length).toBeGreaterThan(2);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  expect(progress.at(-1)).toBe(totalBytes);
  const done = events.flatMap((event) => (event.kind === "file" ? [event.path] : []));
  expect(done.toSorted()).toEqual([config.path, weights.path]);
});

test("files that are known already: no listing, and no request when all are there", async () => {
  const { hub, settings, config, weights } = await startFixture();
  const listing = { commit, files: [listed(config), listed(weights)] };
  expect(missingBytes(settings, repo, listing)).toBe(101_653);
  await downloadListed(settings, repo, listing);
  expect(hub.seen.filter(({ path }) => path.startsWith("/api/"))).toEqual([]);
  expect(missingBytes(settings, repo, listing)).toBe(0);
  const before = hub.seen.length;
  await downloadListed({ ...settings, offline: true }, repo, listing);
  expect(hub.seen).toHaveLength(before);
});

test("one content under two names is fetched once", async () => {
  const { hub, settings, weights } = await startFixture();
  hub.repos.get(repo)?.files.push({ ...weights, path: "unet/copy.fp16.safetensors" });
  const events: DownloadEvent[] = [];
  const { files } = await downloadFiles(settings, repo, "main", isNeeded, {
    onProgress: (event) => events.push(event),
  });
  expect(files).toHaveLength(3);
  for (const { file, path } of files) if (!file.path.endsWith(".json")) expectContent(path, weights);
  expect(hub.seen.filter(({ host }) => host === "store")).toHaveLength(1);
  expect(events[0]).toMatchObject({ kind: "start", missingBytes: 101_653, totalBytes: 201_653 });
});

test("what is in the cache is found as it lies, by branch and by commit", async () => {
  const { settings, config } = await startFixture();
  expect(findCached(settings, repo, "main", config.path)).toBeUndefined();
  expect(findCached(settings, repo, commit, config.path)).toBeUndefined();
  const { folder } = await downloadFiles(settings, repo, "main", isNeeded);
  for (const revision of ["main", commit]) {
    expect(findCached(settings, repo, revision, config.path)).toBe(join(folder, config.path));
  }
  expect(findCachedCommit(settings, repo, "main")).toBe(commit);
  expect(findCached(settings, repo, "main", "unet")).toBeUndefined(); // a folder
  expect(findCached(settings, repo, "v1.0", config.path)).toBeUndefined();
  writeFileSync(join(settings.cacheFolder, "models--DeepFloyd--IF-I-M-v1.0", "refs", "main"), "../../../etc\n");
  expect(findCached(settings, repo, "main", config.path)).toBeUndefined();
});

test("a pull that fails leaves the ref as it was, the rest of the cache readable, and goes on later", async () => {
  const { hub, settings, weights } = await startFixture();
  hub.faults.dropAfter = [Infinity, 4000, 0, 0].slice(0, 4);
  const select = ({ path }: RepoFile): boolean => path === weights.path || path === "README.md";
  const failing = { ...settings, timeouts: { ...timeouts, attempts: 3 } };
  expect(await hubErrorOf(() => downloadFiles(failing, repo, "main", select, { concurrency: 1 }))).toMatchObject({
    reason: "network",
  });
  expect(findCachedCommit(settings, repo, "main")).toBeUndefined();
  const scan = await scanCacheDir(settings.cacheFolder);
  expect([scan.warnings, scan.repos.length]).toEqual([[], 1]);
  const listing = { commit, files: [listed(weights)] };
  expect(missingBytes(settings, repo, listing)).toBe(96_000);
  await downloadFiles(settings, repo, "main", select);
  expect(hub.seen.at(-1)?.headers.range).toBe("bytes=4000-");
  expect(findCachedCommit(settings, repo, "main")).toBe(commit);
});

test("the first failure ends the others, and is the one told", async () => {
  const { hub, settings, weights } = await startFixture();
  hub.faults.pieceMs = 20; // 13 pieces
  const files = [listed(weights), { ...listed(weights), path: "ghost.bin", sha256: "a".repeat(64) }];
  const error = await hubErrorOf(() => downloadListed(settings, repo, { commit, files }));
  expect(error).toMatchObject({ reason: "entry-not-found" });
  expect(existsSync(join(settings.cacheFolder, ".locks"))).toBe(true);
  expect(filesBelow(join(settings.cacheFolder, ".locks"))).toEqual([]); // nobody is still at it
  expect(missingBytes(settings, repo, { commit, files: files.slice(0, 1) })).toBeGreaterThan(0);
});

test("room for everything is looked for before the first byte", async () => {
  const { hub, settings } = await startFixture({ freeBytes: async () => 101_652 });
  expect(await hubErrorOf(() => downloadFiles(settings, repo, "main", isNeeded))).toMatchObject({
    reason: "disk-full",
  });
  expect(hub.seen.filter(({ path }) => path.includes("resolve"))).toEqual([]);
  const enough = { ...settings, freeBytes: async () => 101_653 };
  expect((await downloadFiles(enough, repo, "main", isNeeded)).files).toHaveLength(2);
});

test("names that are one on some disks are refused before anything is written", async () => {
  const { settings, config } = await startFixture();
  const files = [listed(config), { ...listed(config), path: config.path.toUpperCase() }];
  expect(await hubErrorOf(() => downloadListed(settings, repo, { commit, files }))).toMatchObject({
    reason: "hostile-name",
  });
  expect(filesBelow(settings.cacheFolder)).toEqual([]);
});
