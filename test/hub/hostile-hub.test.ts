/** A Hub that would hold the program, and caches in which others have put something: a quick sample of each kind. */

import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { downloadFile } from "../../src/hub/download-file.ts";
import { placeOf } from "../../src/hub/layout.ts";
import { listRepo } from "../../src/hub/list-repo.ts";
import { expectContent, type Fixture, hubErrorOf, listed, repo, startFixture, timeouts } from "./cache.ts";
import { commit, servedFile } from "./server.ts";

/** @returns the settings of a Hub that answers every request in this way, and how many there were. */
async function hubThat(answer: RequestListener) {
  const { settings } = await startFixture();
  const seen = { requests: 0 };
  const server = createServer((request, response) => {
    seen.requests++;
    answer(request, response);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { settings: { ...settings, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, seen };
}

describe("a listing", () => {
  test("whose pages never end", async () => {
    const { settings, seen } = await hubThat((request, response) => {
      const next = `<http://${request.headers.host}/next?${Math.random()}>; rel="next"`;
      response.writeHead(200, { "content-type": "application/json", link: next }).end("[]");
    });
    const error = await hubErrorOf(() => listRepo(settings, repo, commit));
    expect(error).toMatchObject({
      reason: "network",
      message: expect.stringContaining("more than 200 pages") as string,
    });
    expect(seen.requests).toBe(200);
  });

  test("whose pages go in a circle", async () => {
    const { settings, seen } = await hubThat((request, response) => {
      const next = `<http://${request.headers.host}/same>; rel="next"`;
      response.writeHead(200, { "content-type": "application/json", link: next }).end("[]");
    });
    expect((await hubErrorOf(() => listRepo(settings, repo, commit))).message).toContain("the same page again");
    expect(seen.requests).toBe(2);
  });

  test("that drips faster than a stalled line, but would take for ever", async () => {
    const { settings } = await hubThat((_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const timer = setInterval(() => response.write(" ".repeat(500)), 20);
      response.on("close", () => clearInterval(timer));
    });
    const slow = { ...settings, timeouts: { ...timeouts, answerMs: 300 } };
    expect((await hubErrorOf(() => listRepo(slow, repo, commit))).message).toMatch(/more than 1 s for its answer/);
  });

  test.each([
    ["nested for ever", "[".repeat(1_000_000), /nests JSON/],
    ["of a million values", `[${"0,".repeat(1_000_000)}0]`, /list of more than|values/],
  ])("%s", async (_, body, message) => {
    const { settings } = await hubThat((__, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(body);
    });
    expect((await hubErrorOf(() => listRepo(settings, repo, commit))).message).toMatch(message);
  });
});

test("a file whose place is lost again and again brings nothing: the tries are used up", async () => {
  const content = servedFile("big.safetensors", 4_000_000);
  const { settings, seen } = await hubThat((_, response) => {
    const whole = seen.requests % 2 === 0; // a third, then less than a third, without ranges: forward and back
    response.writeHead(200, { "content-length": content.content.length });
    response.write(content.content.subarray(0, whole ? 1_200_000 : 1_300_000), () =>
      setTimeout(() => response.destroy(), 20),
    );
  });
  const error = await hubErrorOf(() => downloadFile(settings, repo, commit, listed(content)));
  expect(error.reason).toBe("network");
  expect(seen.requests).toBeLessThan(20);
});

const pull = ({ settings, weights }: Fixture) => downloadFile(settings, repo, commit, listed(weights));
const placeIn = ({ settings, weights }: Fixture) => placeOf(settings, repo, commit, listed(weights));

describe("a file in the cache", () => {
  test("of the right size and other bytes is noticed by a pull, and fetched anew", async () => {
    const fixture = await startFixture();
    const { blob, snapshot } = placeIn(fixture);
    mkdirSync(dirname(blob), { recursive: true });
    writeFileSync(blob, Buffer.alloc(fixture.weights.content.length, 7)); // as a copy from elsewhere
    await pull(fixture);
    expectContent(snapshot, fixture.weights);
    writeFileSync(blob, Buffer.alloc(fixture.weights.content.length, 7)); // behind our back
    await pull(fixture);
    expectContent(snapshot, fixture.weights);
  });

  test("is hashed once, and again when its time changes", async () => {
    const fixture = await startFixture();
    await pull(fixture);
    const { blob, checked } = placeIn(fixture);
    const before = readFileSync(checked, "utf8");
    await pull(fixture);
    expect(readFileSync(checked, "utf8")).toBe(before);
    utimesSync(blob, 1, 1);
    await pull(fixture);
    expect(readFileSync(checked, "utf8")).not.toBe(before);
    expect(fixture.hub.seen.filter(({ host }) => host === "store")).toHaveLength(1);
  });

  test("that is damaged is an error where nothing may be fetched", async () => {
    const fixture = await startFixture();
    await pull(fixture);
    writeFileSync(placeIn(fixture).blob, Buffer.alloc(fixture.weights.content.length, 7));
    const settings = { ...fixture.settings, offline: true };
    expect(await hubErrorOf(() => pull({ ...fixture, settings }))).toMatchObject({ reason: "checksum" });
  });
});

test.each(["symbolic", "hard"])(
  "a %s link planted where the download is written is not written through",
  async (kind) => {
    const fixture = await startFixture();
    const { incomplete, snapshot } = placeIn(fixture);
    const victim = join(fixture.settings.cacheFolder, "victim");
    mkdirSync(dirname(incomplete), { recursive: true });
    writeFileSync(victim, "mine");
    if (kind === "hard") linkSync(victim, incomplete);
    else symlinkSync(victim, incomplete);
    await pull(fixture);
    expect(readFileSync(victim, "utf8")).toBe("mine");
    expectContent(snapshot, fixture.weights);
    expect(lstatSync(placeIn(fixture).blob).isFile()).toBe(true);
    expect(existsSync(incomplete)).toBe(false);
  },
);
