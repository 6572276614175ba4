/** Caches as other programs and versions leave them. */

import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { listCachedRepos, removeRepo } from "../../src/hub/cached-repos.ts";
import { downloadFile } from "../../src/hub/download-file.ts";
import { placeOf, writeRef } from "../../src/hub/layout.ts";
import { withLock } from "../../src/hub/lock.ts";
import { transportFailure } from "../../src/hub/request.ts";
import { removeFile } from "../../src/hub/verify-files.ts";
import { expectContent, type Fixture, listed, repo, startFixture, temporaryFolder } from "./cache.ts";
import { commit } from "./server.ts";

const hash = "ab".padEnd(64, "0");

/** A repository whose blob is a link to content that the whole cache shares, as huggingface_hub 2.4 makes them. */
function share({ settings, weights }: Fixture, owner: string): { payload: string; place: ReturnType<typeof placeOf> } {
  const place = placeOf(settings, owner, commit, listed(weights));
  const payload = join(settings.cacheFolder, "blobs", "ab", hash);
  for (const path of [place.blob, place.snapshot, payload]) mkdirSync(dirname(path), { recursive: true });
  writeFileSync(payload, weights.content, { mode: 0o444, flag: existsSync(payload) ? "r+" : "w" });
  writeFileSync(`${payload}.refs`, "");
  symlinkSync(`../../blobs/ab/${hash}`, place.blob);
  symlinkSync(`../../../blobs/${listed(weights).sha256}`, place.snapshot);
  return { payload, place };
}

describe("content that the whole cache shares", () => {
  test("counts, and is freed with the last repository that links to it", async () => {
    const fixture = await startFixture();
    const { payload } = share(fixture, "a/b");
    share(fixture, "c/d");
    const bytes = fixture.weights.content.length;
    expect((await listCachedRepos(fixture.settings)).map((cached) => cached.bytes)).toEqual([bytes, bytes]);
    expect(await removeRepo(fixture.settings, "a/b")).toEqual({ freedBytes: 0 });
    expect(existsSync(payload)).toBe(true);
    expect(await removeRepo(fixture.settings, "c/d")).toEqual({ freedBytes: bytes });
    expect([existsSync(payload), existsSync(`${payload}.refs`)]).toEqual([false, false]);
  });

  test("goes when it is damaged, and is fetched anew", async () => {
    const fixture = await startFixture();
    const { payload, place } = share(fixture, repo);
    rmSync(payload);
    writeFileSync(payload, Buffer.alloc(fixture.weights.content.length));
    await removeFile(fixture.settings, repo, commit, listed(fixture.weights));
    expect([existsSync(payload), existsSync(place.blob)]).toEqual([false, false]);
    await downloadFile(fixture.settings, repo, commit, listed(fixture.weights));
    expectContent(place.snapshot, fixture.weights);
  });

  test("a link that leads elsewhere is not followed", async () => {
    const fixture = await startFixture();
    const { place } = share(fixture, repo);
    const victim = join(fixture.settings.cacheFolder, "victim");
    writeFileSync(victim, "mine");
    rmSync(place.blob);
    symlinkSync(victim, place.blob);
    await removeFile(fixture.settings, repo, commit, listed(fixture.weights));
    expect(readFileSync(victim, "utf8")).toBe("mine");
  });
});

test("content with another name elsewhere is not freed", async () => {
  const fixture = await startFixture();
  const { weights, settings } = fixture;
  await downloadFile(settings, repo, commit, listed(weights));
  linkSync(placeOf(settings, repo, commit, listed(weights)).blob, join(settings.cacheFolder, "kept"));
  expect(await removeRepo(settings, repo)).toEqual({ freedBytes: 0 });
});

test("a cache without links, whose snapshots hold the files, has no blobs/", async () => {
  const { settings, weights, hub } = await startFixture();
  const { snapshot } = placeOf(settings, repo, commit, listed(weights));
  mkdirSync(dirname(snapshot), { recursive: true });
  writeFileSync(snapshot, weights.content);
  expect(await downloadFile(settings, repo, commit, listed(weights))).toBe(snapshot);
  await writeRef(settings, repo, "main", commit);
  expect(readFileSync(join(settings.cacheFolder, "models--DeepFloyd--IF-I-M-v1.0", "refs", "main"), "utf8")).toBe(
    commit,
  );
  expect(hub.seen).toEqual([]);
});

test.each(["models--a..b", "models--a--b--c", "models--", "models----x", "models--a b"])(
  "a stray folder %s is no repository",
  async (name) => {
    const { settings } = await startFixture();
    mkdirSync(join(settings.cacheFolder, name));
    expect(await listCachedRepos(settings)).toEqual([]);
    expect(await removeRepo(settings, repo)).toEqual({ freedBytes: 0 });
  },
);

test("a lock whose folder is removed meanwhile is made again", async () => {
  const lock = join(await temporaryFolder(), "gone", "x.lock");
  expect(await withLock(lock, { watchedPath: lock, lockMs: 1000 }, async () => existsSync(lock))).toBe(true);
});

describe("what a failed connection means", () => {
  const because = (code: string): string => {
    const error = new TypeError("fetch failed", { cause: Object.assign(new Error(), { code }) });
    return transportFailure({}, error, new URL("https://hub.example/x")).message;
  };

  test.each(["ERR_SSL_WRONG_VERSION_NUMBER", "EPROTO", "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"])(
    "%s is no certificate",
    (code) => {
      expect(because(code)).toMatch(/does not speak TLS.*http:\/\//);
    },
  );

  test.each([
    "CERT_HAS_EXPIRED",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "ERR_TLS_CERT_ALTNAME_INVALID",
  ])("%s is one", (code) => {
    expect(because(code)).toMatch(/certificate.*NODE_EXTRA_CA_CERTS/);
  });
});
