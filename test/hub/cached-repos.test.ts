import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listCachedRepos, removeRepo } from "../../src/hub/cached-repos.ts";
import { downloadFiles } from "../../src/hub/download-files.ts";
import { withLock } from "../../src/hub/lock.ts";
import { hubErrorOf, repo, startFixture, temporaryFolder } from "./cache.ts";
import { commit, servedFile } from "./server.ts";

test("what is there: bytes, commits, refs, unfinished ones; links and other kinds do not count", async () => {
  const { hub, settings } = await startFixture();
  hub.repos.set("a/b", { files: [servedFile("x.json", 77, false)], refs: { main: commit } });
  await downloadFiles(settings, repo, "main", ({ path }) => path.startsWith("unet/"));
  await downloadFiles(settings, "a/b", commit, () => true);
  const folder = join(settings.cacheFolder, "models--DeepFloyd--IF-I-M-v1.0");
  mkdirSync(join(folder, "refs", "refs", "pr"), { recursive: true });
  writeFileSync(join(folder, "refs", "refs", "pr", "1"), commit);
  writeFileSync(join(folder, "blobs", "abc.incomplete"), "12345");
  mkdirSync(join(settings.cacheFolder, "datasets--c--d", "blobs"), { recursive: true });
  mkdirSync(join(settings.cacheFolder, "version.txt"), { recursive: true });
  const bytes = 1653 + 100_000 + 5000 + 5 + 2 * commit.length; // refs are files too
  expect(await listCachedRepos(settings)).toEqual([
    { repo, folder, bytes, incompleteBytes: 5, commits: [commit], refs: { main: commit, "refs/pr/1": commit } },
    {
      repo: "a/b",
      folder: join(settings.cacheFolder, "models--a--b"),
      bytes: 77,
      incompleteBytes: 0,
      commits: [commit],
      refs: {},
    },
  ]);
  expect(await removeRepo(settings, repo)).toEqual({ freedBytes: bytes });
  expect(existsSync(folder)).toBe(false);
  expect((await listCachedRepos(settings)).map((cached) => cached.repo)).toEqual(["a/b"]);
  expect(await removeRepo(settings, repo)).toEqual({ freedBytes: 0 });
});

test("no cache yet", async () => {
  const cacheFolder = join(await temporaryFolder(), "none");
  expect(await listCachedRepos({ endpoint: "", cacheFolder, offline: true, userAgent: "" })).toEqual([]);
});

test("not while it is being downloaded, and nothing but a repository", async () => {
  const { settings } = await startFixture();
  const { folder } = await downloadFiles(settings, repo, "main", ({ path }) => path.endsWith(".json"));
  const lock = join(settings.cacheFolder, ".locks", "models--DeepFloyd--IF-I-M-v1.0", "x.lock");
  const error = await withLock(lock, { watchedPath: lock, lockMs: 0 }, () =>
    hubErrorOf(() => removeRepo(settings, repo)),
  );
  expect(error).toMatchObject({ reason: "locked" });
  expect(existsSync(folder)).toBe(true);
  expect(await hubErrorOf(() => removeRepo(settings, "../.."))).toMatchObject({ reason: "hostile-name" });
});
