import { expect, test } from "vitest";
import { readFileStart } from "../../src/hub/read-start.ts";
import { hubErrorOf, listed, repo, startFixture } from "./cache.ts";
import { commit } from "./server.ts";

test("reads the first bytes by a range, from wherever the content lies, and measures", async () => {
  const { settings, hub, weights, config } = await startFixture();
  hub.faults.pieceMs = 2;
  const start = await readFileStart(settings, { repo, commit, file: listed(weights) }, 40_000);
  expect(Buffer.from(start.bytes).equals(weights.content.subarray(0, 40_000))).toBe(true);
  expect(start.rate).toBeGreaterThan(0);
  expect(hub.seen.at(-1)).toMatchObject({ host: "store", headers: { range: "bytes=0-39999" } });
  const whole = await readFileStart(settings, { repo, commit, file: listed(config) }, 40_000);
  expect(Buffer.from(whole.bytes).equals(config.content)).toBe(true);
});

test("a server that ignores ranges is not read to the end", async () => {
  const { settings, hub, weights } = await startFixture();
  hub.faults.ignoreRange = true;
  hub.faults.hangAfter = 50_000; // whoever waits for more waits for ever
  const start = await readFileStart(settings, { repo, commit, file: listed(weights) }, 40_000);
  expect(Buffer.from(start.bytes).equals(weights.content.subarray(0, 40_000))).toBe(true);
});

test("a line that breaks is tried again; one that goes on breaking is told", async () => {
  const { settings, hub, weights } = await startFixture();
  hub.faults.dropAfter = [20_000];
  const read = (): Promise<unknown> => readFileStart(settings, { repo, commit, file: listed(weights) }, 40_000);
  expect(await read()).toMatchObject({ bytes: expect.objectContaining({ length: 40_000 }) as unknown });
  hub.faults.dropAfter = [0, 0, 0, 0];
  expect(await hubErrorOf(read)).toMatchObject({ reason: "network" });
});

test("a licence that was not accepted is told as a pull tells it", async () => {
  const { settings, hub, weights } = await startFixture();
  hub.repos.get(repo)!.gated = true;
  expect(await hubErrorOf(() => readFileStart(settings, { repo, commit, file: listed(weights) }, 10))).toMatchObject({
    reason: "gated",
  });
});
