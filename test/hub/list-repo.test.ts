import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { listRepo } from "../../src/hub/list-repo.ts";
import { hubErrorOf, listed, repo, startFixture, timeouts } from "./cache.ts";
import { commit } from "./server.ts";

test("a listing: the commit, every file with its size and hash, no folders, over several pages", async () => {
  const { hub, settings } = await startFixture();
  hub.faults.pageSize = 2;
  const { commit: found, files } = await listRepo(settings, repo, "main");
  expect(found).toBe(commit);
  expect(files).toEqual(hub.repos.get(repo)?.files.map(listed));
  expect(files).toHaveLength(4);
  expect(hub.seen.map(({ headers }) => headers["user-agent"])).toEqual(["if-gen/test", "if-gen/test", "if-gen/test"]);
});

test("a commit needs no second question", async () => {
  const { hub, settings } = await startFixture();
  expect((await listRepo(settings, repo, commit)).commit).toBe(commit);
  expect(hub.seen).toHaveLength(1);
});

test("each refusal has its own sentence and next step", async () => {
  const { settings } = await startFixture();
  const missing = await hubErrorOf(() => listRepo(settings, "a/b", "main"));
  expect(missing).toMatchObject({ reason: "repo-not-found", code: "HUB", exitCode: 8 });
  expect(missing.message).toContain("if-gen login");
  const asSomebody = await hubErrorOf(() => listRepo({ ...settings, token: "hf_good" }, "a/b", "main"));
  expect(asSomebody).toMatchObject({ reason: "repo-not-found" });
  expect(asSomebody.message).toContain("cannot see it");
  const revision = await hubErrorOf(() => listRepo(settings, repo, "v2"));
  expect(revision).toMatchObject({ reason: "revision-not-found", message: expect.stringContaining('"v2"') as string });
  const token = await hubErrorOf(() => listRepo({ ...settings, token: "hf_old" }, "a/b", "main"));
  expect(token).toMatchObject({ reason: "token", message: expect.stringContaining("/settings/tokens") as string });
});

test.each([
  ["../../evil", 5],
  ["C:\\evil", 5],
  ["ok.bin", -1],
])("a listing with %j of %d bytes is refused whole", async (path, size) => {
  const { hub, settings } = await startFixture();
  hub.faults.tree = [{ type: "file", path, size, oid: commit }];
  expect(["hostile-name", "network"]).toContain((await hubErrorOf(() => listRepo(settings, repo, "main"))).reason);
});

test.each([
  [{ error: "x" }],
  ["text"],
  [[{ type: "file" }]],
  [[{ type: "file", path: 5, size: "1", oid: null }]],
  [[null]],
])("an answer that is no listing: %j", async (tree) => {
  const { hub, settings } = await startFixture();
  hub.faults.tree = tree;
  expect(await hubErrorOf(() => listRepo(settings, repo, "main"))).toMatchObject({ reason: "network" });
});

test("a login page instead of an answer", async () => {
  const { hub, settings } = await startFixture();
  hub.faults.statuses = [{ status: 200, headers: { "content-type": "text/html" } }];
  const error = await hubErrorOf(() => listRepo(settings, repo, "main"));
  expect(error).toMatchObject({ reason: "network", message: expect.stringContaining("login page") as string });
});

test("busy servers are asked again, as often as agreed", async () => {
  const { hub, settings } = await startFixture();
  hub.faults.statuses = [{ status: 503 }, { status: 429, headers: { "retry-after": "0" } }];
  expect((await listRepo(settings, repo, "main")).files).toHaveLength(4);
  hub.faults.statuses = [{ status: 500 }, { status: 502 }, { status: 504 }];
  expect(await hubErrorOf(() => listRepo(settings, repo, "main"))).toMatchObject({ reason: "network" });
  expect(hub.faults.statuses).toEqual([]);
});

test("offline, nothing is asked", async () => {
  const { hub, settings } = await startFixture({ offline: true });
  expect(await hubErrorOf(() => listRepo(settings, repo, "main"))).toMatchObject({ reason: "offline" });
  expect(hub.seen).toEqual([]);
});

test("nobody there, and nonsense as an endpoint", async () => {
  const { settings } = await startFixture();
  const nobody = await hubErrorOf(() => listRepo({ ...settings, endpoint: "http://127.0.0.1:1" }, repo, "main"));
  expect(nobody).toMatchObject({ reason: "network", message: expect.stringContaining("127.0.0.1:1 ") as string });
  for (const endpoint of ["", "huggingface.co", "file:///etc", "https://me:secret@huggingface.co"]) {
    const error: unknown = await listRepo({ ...settings, endpoint }, repo, "main").catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect(String(error)).not.toContain("secret");
  }
});

test("a host that takes the call and says nothing", async () => {
  const { settings } = await startFixture({ timeouts: { ...timeouts, headersMs: 60, attempts: 2 } });
  const mute = createServer(() => undefined).listen(0, "127.0.0.1");
  onTestFinished(() => {
    mute.closeAllConnections();
    mute.close();
  });
  await once(mute, "listening");
  const endpoint = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`;
  const error = await hubErrorOf(() => listRepo({ ...settings, endpoint }, repo, "main"));
  expect(error).toMatchObject({
    reason: "network",
    message: expect.stringContaining("did not answer in 0.06 s") as string,
  });
});

test("the caller can end it", async () => {
  const { settings } = await startFixture();
  await expect(listRepo(settings, repo, "main", AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
});
