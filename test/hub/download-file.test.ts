/** One file over a line that does everything lines do. */

import { lstatSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { downloadFile } from "../../src/hub/download-file.ts";
import { withCacheErrors } from "../../src/hub/cache-failure.ts";
import { placeOf } from "../../src/hub/layout.ts";
import type { RetryNotice } from "../../src/hub/types.ts";
import { expectContent, filesBelow, hubErrorOf, listed, repo, startFixture, timeouts, type Fixture } from "./cache.ts";
import { commit, etagOf } from "./server.ts";

type Kind = "weights" | "config";
const kinds: readonly Kind[] = ["weights", "config"]; // from the second host, and from the Hub itself

/** @returns the snapshot's path, its content checked, and that nothing unfinished is left. */
async function pull({ settings, ...fixture }: Fixture, kind: Kind, options = {}): Promise<string> {
  const file = fixture[kind];
  const path = await downloadFile(settings, repo, commit, listed(file), options);
  expectContent(path, file);
  expect(filesBelow(settings.cacheFolder).filter((name) => /incomplete|lock$|tmp/.test(name))).toEqual([]);
  return path;
}

function partOf({ settings, ...fixture }: Fixture, kind: Kind): Buffer {
  return readFileSync(placeOf(settings, repo, commit, listed(fixture[kind])).incomplete);
}

/** What an earlier run has left. */
async function leavePart({ settings, ...fixture }: Fixture, kind: Kind, part: Buffer): Promise<void> {
  const { incomplete } = placeOf(settings, repo, commit, listed(fixture[kind]));
  await mkdir(dirname(incomplete), { recursive: true });
  writeFileSync(incomplete, part);
}

function rangesSeen({ hub }: Fixture, host: "hub" | "store"): (string | undefined)[] {
  return hub.seen.filter((seen) => seen.host === host).map(({ headers }) => headers.range);
}

describe.each(kinds)("%s", (kind) => {
  test("arrives, lies where Python puts it, and is not asked for again", async () => {
    const fixture = await startFixture();
    const progress: number[] = [];
    const path = await pull(fixture, kind, { onProgress: (done: number) => progress.push(done) });
    const file = fixture[kind];
    const folder = join(fixture.settings.cacheFolder, "models--DeepFloyd--IF-I-M-v1.0");
    expect(path).toBe(join(folder, "snapshots", commit, file.path));
    expect(readlinkSync(path)).toBe(`../../../blobs/${etagOf(file)}`);
    expect(lstatSync(join(folder, "blobs", etagOf(file))).isFile()).toBe(true);
    expect(progress.at(-1)).toBe(file.content.length);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    const before = fixture.hub.seen.length;
    await pull(fixture, kind);
    await rm(path); // the blob alone is enough
    await pull(fixture, kind);
    expect(fixture.hub.seen).toHaveLength(before);
  });

  test("goes on where the line broke, at any byte", async () => {
    const fixture = await startFixture();
    const total = fixture[kind].content.length;
    fixture.hub.faults.dropAfter = [Math.floor(total / 3), 1];
    const notices: RetryNotice[] = [];
    await pull(fixture, kind, { onRetry: (notice: RetryNotice) => notices.push(notice) });
    expect(notices.map(({ attempt }) => attempt)).toEqual([1, 2]);
    const host = kind === "weights" ? "store" : "hub";
    expect(rangesSeen(fixture, host)).toEqual([
      undefined,
      `bytes=${Math.floor(total / 3)}-`,
      `bytes=${Math.floor(total / 3) + 1}-`,
    ]);
  });

  test.each([0, 1, 2, 1000, 1652])("a line that breaks after %d bytes", async (bytes) => {
    const fixture = await startFixture();
    fixture.hub.faults.dropAfter = [bytes];
    await pull(fixture, kind);
    expect(fixture.hub.faults.dropAfter).toEqual([]);
  });

  test.each([0, 1, 700, 1652])("a part of %d bytes of an earlier run is used", async (bytes) => {
    const fixture = await startFixture();
    await leavePart(fixture, kind, fixture[kind].content.subarray(0, bytes));
    await pull(fixture, kind);
    const host = kind === "weights" ? "store" : "hub";
    expect(rangesSeen(fixture, host)).toEqual([bytes === 0 ? undefined : `bytes=${bytes}-`]);
  });

  test("a whole part needs no request, a part too long is no part", async () => {
    const fixture = await startFixture();
    await leavePart(fixture, kind, fixture[kind].content);
    await pull(fixture, kind);
    expect(fixture.hub.seen).toEqual([]);
    const other = await startFixture();
    await leavePart(other, kind, Buffer.concat([other[kind].content, Buffer.from("x")]));
    await pull(other, kind);
  });

  test("a part with other bytes is found out and fetched anew", async () => {
    const fixture = await startFixture();
    await leavePart(fixture, kind, Buffer.alloc(1000, "x"));
    await pull(fixture, kind);
    const whole = await startFixture();
    await leavePart(whole, kind, Buffer.alloc(whole[kind].content.length, "x"));
    await pull(whole, kind);
  });

  test("200 instead of 206, 416, another part than asked for: begun anew", async () => {
    const faults = [
      [{ ignoreRange: true }, []],
      [{ refuseRange: 1 }, [expect.stringContaining("no such part")]],
      [{ shiftRange: 1 }, [expect.stringContaining("another part")]],
    ] as const;
    for (const [fault, expected] of faults) {
      const fixture = await startFixture();
      await leavePart(fixture, kind, fixture[kind].content.subarray(0, 900));
      Object.assign(fixture.hub.faults, fault);
      const messages: string[] = [];
      await pull(fixture, kind, { onRetry: ({ message }: RetryNotice) => messages.push(message) });
      expect(messages).toEqual(expected);
    }
  });

  test("bytes damaged on the way: nothing to be found, and the next pull is right", async () => {
    const fixture = await startFixture();
    fixture.hub.faults.corrupt = 1;
    const error = await hubErrorOf(() => pull(fixture, kind));
    expect(error).toMatchObject({ reason: "checksum", message: expect.stringContaining(fixture[kind].path) as string });
    expect(filesBelow(fixture.settings.cacheFolder)).toEqual(["CACHEDIR.TAG"]);
    await pull(fixture, kind);
  });

  test("damaged and in pieces: once anew, and an error if that is wrong too", async () => {
    const fixture = await startFixture();
    await leavePart(fixture, kind, Buffer.alloc(100, "x"));
    fixture.hub.faults.corrupt = Infinity;
    expect(await hubErrorOf(() => pull(fixture, kind))).toMatchObject({ reason: "checksum" });
    const host = kind === "weights" ? "store" : "hub";
    expect(rangesSeen(fixture, host)).toEqual(["bytes=100-", undefined]);
    await leavePart(fixture, kind, Buffer.alloc(100, "x"));
    fixture.hub.faults.ignoreRange = true; // one answer already
    expect(await hubErrorOf(() => pull(fixture, kind))).toMatchObject({ reason: "checksum" });
    expect(rangesSeen(fixture, host)).toEqual(["bytes=100-", undefined, "bytes=100-"]);
  });

  test("content that changed behind its name", async () => {
    const fixture = await startFixture();
    await leavePart(fixture, kind, fixture[kind].content.subarray(0, 100));
    fixture.hub.faults.etag = "a".repeat(etagOf(fixture[kind]).length);
    const error = await hubErrorOf(() => pull(fixture, kind));
    expect(error).toMatchObject({
      reason: "changed",
      message: expect.stringContaining("run the pull again") as string,
    });
    expect(partOf(fixture, kind)).toHaveLength(100);
  });

  test("a line that hangs or drips is cut, and what it brought is kept", async () => {
    for (const fault of [{ hangAfter: 500 }, { dripMs: 20 }]) {
      const fixture = await startFixture({ timeouts: { ...timeouts, stallMs: 80, attempts: 2 } });
      Object.assign(fixture.hub.faults, fault);
      const error = await hubErrorOf(() => pull(fixture, kind));
      expect(error).toMatchObject({ reason: "network", message: expect.stringContaining("almost nothing") as string });
      const part = partOf(fixture, kind);
      expect(part.length).toBeGreaterThan(0);
      expect(part.equals(fixture[kind].content.subarray(0, part.length))).toBe(true);
      Object.assign(fixture.hub.faults, { hangAfter: undefined, dripMs: undefined });
      await pull(fixture, kind);
    }
  });

  test("more than the file holds", async () => {
    const fixture = await startFixture();
    fixture.hub.faults.endless = true;
    expect(await hubErrorOf(() => pull(fixture, kind))).toMatchObject({ reason: "network" });
    expect(partOf(fixture, kind).length).toBeLessThanOrEqual(fixture[kind].content.length);
  });

  test("busy: Retry-After is waited for, too long a one is an error at once", async () => {
    const fixture = await startFixture();
    fixture.hub.faults.statuses = [{ status: 429, headers: { "retry-after": "1" } }, { status: 503 }];
    const startMs = Date.now();
    await pull(fixture, kind);
    expect(Date.now() - startMs).toBeGreaterThanOrEqual(990);
    const other = await startFixture();
    other.hub.faults.statuses = [{ status: 429, headers: { ratelimit: `"resolvers";r=0;t=200` } }];
    const error = await hubErrorOf(() => pull(other, kind));
    expect(error).toMatchObject({ reason: "network", message: expect.stringContaining("in 201 s") as string });
  });

  test("the caller ends it, and the part stays", async () => {
    const fixture = await startFixture();
    fixture.hub.faults.hangAfter = 600;
    const controller = new AbortController();
    const onProgress = (done: number): void => void (done >= 600 && controller.abort(new Error("ctrl-c")));
    await expect(pull(fixture, kind, { onProgress, signal: controller.signal })).rejects.toThrow("ctrl-c");
    expect(partOf(fixture, kind)).toHaveLength(600);
    fixture.hub.faults.hangAfter = undefined;
    await pull(fixture, kind);
  });
});

test("an empty file needs no request", async () => {
  const { hub, settings } = await startFixture();
  const empty = { path: "empty.txt", bytes: 0, gitOid: "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391" };
  expect(readFileSync(await downloadFile(settings, repo, commit, empty))).toHaveLength(0);
  expect(hub.seen).toEqual([]);
});

test("If-Range goes to the Hub, which knows the content by that name, and not to the store", async () => {
  for (const kind of kinds) {
    const fixture = await startFixture();
    await leavePart(fixture, kind, fixture[kind].content.subarray(0, 10));
    await pull(fixture, kind);
    expect(fixture.hub.seen.map(({ host, headers }) => [host, headers["if-range"]])).toEqual(
      kind === "config"
        ? [["hub", `"${etagOf(fixture.config)}"`]]
        : [
            ["hub", `"${etagOf(fixture.weights)}"`],
            ["store", undefined],
          ],
    );
  }
});

describe("the token", () => {
  test("goes to the endpoint, and to no other host", async () => {
    const fixture = await startFixture({ token: "hf_good" });
    const arrived: (string | undefined)[] = [];
    const stranger = createServer((request, response) => {
      arrived.push(request.headers.authorization, request.headers.cookie, JSON.stringify(request.headers));
      response.end(fixture.weights.content);
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void stranger.close());
    await new Promise((resolve) => stranger.once("listening", resolve));
    fixture.hub.faults.redirectTo = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/x`;
    await pull(fixture, "weights");
    expect(arrived).toHaveLength(3);
    expect(arrived.slice(0, 2)).toEqual([undefined, undefined]);
    expect(arrived[2]).not.toContain("hf_good");
    expect(fixture.hub.seen.map(({ headers }) => headers.authorization)).toEqual(["Bearer hf_good"]);
  });

  test("stays with the endpoint through a redirect there and back", async () => {
    const fixture = await startFixture({ token: "hf_good" });
    fixture.hub.faults.redirectTo = `${fixture.hub.url}/${repo}/resolve/${commit}/${fixture.config.path}`;
    await hubErrorOf(() => pull(fixture, "weights"));
    expect(fixture.hub.seen[1]?.headers.authorization).toBe("Bearer hf_good");
  });

  test("is in no error, whatever goes wrong", async () => {
    const token = "hf_verysecret";
    const fixture = await startFixture({ token });
    const faults: Partial<Fixture["hub"]["faults"]>[] = [
      { statuses: Array.from({ length: 3 }, () => ({ status: 500 })) },
      { statuses: [{ status: 403, headers: { "x-error-message": `no ${token} \u009b2J` } }] },
      { statuses: [{ status: 418, headers: { "x-error-message": token } }] },
      { redirectTo: "http://127.0.0.1:1/?X-Signature=secret" },
      { redirectTo: "ftp://127.0.0.1/" },
      { redirectTo: "http://[" },
      { redirectTo: `${fixture.hub.storeUrl}/gone?X-Signature=secret` },
    ];
    for (const fault of faults) {
      Object.assign(fixture.hub.faults, { redirectTo: undefined, statuses: [] }, fault);
      const error = await hubErrorOf(() => pull(fixture, "weights"));
      const everything = `${error.message} ${error.stack} ${String(error.cause)} ${JSON.stringify(error)}`;
      expect(everything).not.toMatch(/secret|\u009b/);
    }
    fixture.hub.faults.redirectTo = undefined;
    for (const bad of [`${token}\n`, `${token} x`, `${token}\u00e9`]) {
      const error = await hubErrorOf(() =>
        pull({ ...fixture, settings: { ...fixture.settings, token: bad } }, "weights"),
      );
      expect(error).toMatchObject({ reason: "token" });
      expect(error.message + String(error.stack)).not.toContain("verysecret");
    }
  });
});

test("redirects without end end", async () => {
  const fixture = await startFixture();
  fixture.hub.faults.redirectTo = `/${repo}/resolve/${commit}/${fixture.weights.path}`;
  expect(await hubErrorOf(() => pull(fixture, "weights"))).toMatchObject({ reason: "network" });
  expect(fixture.hub.seen.length).toBeLessThan(12);
});

test("the licence: which page, that it covers the others, and how to give a token", async () => {
  const fixture = await startFixture();
  (fixture.hub.repos.get(repo) ?? expect.fail()).gated = true;
  const card = `${fixture.hub.url}/DeepFloyd/IF-I-XL-v1.0`;
  const anonymous = await hubErrorOf(() => pull(fixture, "weights"));
  expect(anonymous.reason).toBe("gated");
  for (const words of [card, "for all DeepFloyd IF repositories", "if-gen login", "HF_TOKEN", "--token-stdin"]) {
    expect(anonymous.message).toContain(words);
  }
  const withToken = { ...fixture, settings: { ...fixture.settings, token: "hf_good" } };
  const notAccepted = await hubErrorOf(() => pull(withToken, "weights"));
  expect(notAccepted.message).toContain("has not accepted");
  expect(notAccepted.message).toContain(card);
  fixture.hub.accepted.add("somebody");
  await pull(withToken, "weights");
});

test("another gated repository names its own page", async () => {
  const { hub, settings, config } = await startFixture();
  hub.repos.set("some/model", { files: [config], refs: {}, gated: true });
  const error = await hubErrorOf(() => downloadFile(settings, "some/model", commit, listed(config)));
  expect(error.message).toContain(`${hub.url}/some/model `);
  expect(error.message).not.toContain("DeepFloyd");
});

test("files and revisions that are not there", async () => {
  const { settings, weights } = await startFixture();
  const ghost = await hubErrorOf(() => downloadFile(settings, repo, commit, { ...listed(weights), path: "ghost.bin" }));
  expect(ghost).toMatchObject({ reason: "entry-not-found", message: expect.stringContaining('"ghost.bin"') as string });
  const revision = await hubErrorOf(() => downloadFile(settings, repo, "f".repeat(40), listed(weights)));
  expect(revision).toMatchObject({ reason: "revision-not-found" });
  expect(await hubErrorOf(() => downloadFile(settings, repo, "main", listed(weights)))).toMatchObject({
    reason: "revision-not-found",
  });
});

describe("the disk", () => {
  test("has no room: said before the first request, with both sizes", async () => {
    const fixture = await startFixture({ freeBytes: async () => 99_999 });
    const error = await hubErrorOf(() => pull(fixture, "weights"));
    expect(error).toMatchObject({ reason: "disk-full", message: expect.stringContaining("needs 0.1 MB") as string });
    expect(fixture.hub.seen).toEqual([]);
    await leavePart(fixture, "weights", fixture.weights.content.subarray(0, 1));
    await pull(fixture, "weights"); // what is there needs no room
  });

  test("fills up on the way", async () => {
    const { settings } = await startFixture();
    const refused = Object.assign(new Error("no room"), { code: "ENOSPC", syscall: "write" });
    const error = await hubErrorOf(() => withCacheErrors(settings, () => Promise.reject(refused)));
    expect(error).toMatchObject({ reason: "disk-full", message: expect.stringContaining("ENOSPC") as string });
  });

  test("cannot be written to", async () => {
    const fixture = await startFixture();
    const cacheFolder = join(fixture.settings.cacheFolder, "file");
    writeFileSync(cacheFolder, "not a folder");
    const error = await hubErrorOf(() =>
      pull({ ...fixture, settings: { ...fixture.settings, cacheFolder } }, "weights"),
    );
    expect(error).toMatchObject({ reason: "cache", message: expect.stringContaining("HF_HUB_CACHE") as string });
  });
});

test("a snapshot or a blob of another size is not taken for the file", async () => {
  const fixture = await startFixture();
  const path = await pull(fixture, "config");
  const { blob } = placeOf(fixture.settings, repo, commit, listed(fixture.config));
  writeFileSync(blob, "short");
  await pull(fixture, "config");
  await rm(path);
  writeFileSync(path, "a real file where links are not allowed");
  await pull(fixture, "config");
});

test("offline: what is there is used, the rest is an error without a request", async () => {
  const fixture = await startFixture();
  await pull(fixture, "config");
  const before = fixture.hub.seen.length;
  const offline = { ...fixture, settings: { ...fixture.settings, offline: true } };
  await pull(offline, "config");
  expect(await hubErrorOf(() => pull(offline, "weights"))).toMatchObject({ reason: "offline" });
  expect(fixture.hub.seen).toHaveLength(before);
});
