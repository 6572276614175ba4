/** Against a server that speaks S3 over HTTP. */

import { readFileSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { openStore } from "../../../src/run/store/s3-store.ts";
import { temporaryFolder } from "../../cli/run-cli.ts";
import { clientOf, startS3, without } from "./s3-server.ts";

function useEnvironment(env: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value === "" ? undefined : value);
  onTestFinished(() => void vi.unstubAllEnvs());
}

function writeImage(text: string): string {
  const path = join(temporaryFolder(), "image.png");
  writeFileSync(path, text);
  return path;
}

test("what is put is fetched again, under its folder, as often as it is put", async () => {
  const { env } = await startS3();
  useEnvironment(env);
  const store = await openStore("s3://images/cats/2026/");
  onTestFinished(store.close);
  const back = join(temporaryFolder(), "a", "back.png");
  expect([await store.has("a/ü 1.png"), await store.fetch("a/ü 1.png", back)]).toEqual([false, false]);
  await store.put("a/ü 1.png", writeImage("first"));
  await store.put("a/ü 1.png", writeImage("second"));
  expect([await store.has("a/ü 1.png"), await store.has("a/ü"), await store.fetch("a/ü 1.png", back)]).toEqual([
    true,
    false,
    true,
  ]);
  expect(readFileSync(back, "utf8")).toBe("second");
  const other = await openStore("s3://images");
  onTestFinished(other.close);
  expect(await other.has("cats/2026/a/ü 1.png")).toBe(true);
});

test("a server that is gone for a while is waited for; a signal ends the wait", async () => {
  const server = await startS3();
  useEnvironment(server.env);
  const stop = new AbortController();
  const store = await openStore("s3://images", stop.signal);
  onTestFinished(store.close);
  await server.close();
  const put = store.put("a.png", writeImage("x"));
  await delay(300);
  await startS3(server.port);
  await put;
  expect(await store.has("a.png")).toBe(true);
  vi.stubEnv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1");
  const waiting = openStore("s3://images", stop.signal, 100);
  await delay(300);
  stop.abort(new Error("stopped"));
  await expect(waiting).rejects.toThrow("stopped");
});

test.each([
  ["no bucket", {}, "s3://cats/x", /^there is no bucket cats at 127\.0\.0\.1:\d+; create it first\.$/],
  [
    "no credentials",
    { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" },
    "s3://images",
    /^there are no credentials for s3:\/\/images; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE\.$/,
  ],
  [
    "unknown credentials",
    { AWS_ACCESS_KEY_ID: "X" },
    "s3://images",
    /^these credentials may not use s3:\/\/images at /,
  ],
  [
    "no server",
    { AWS_ENDPOINT_URL_S3: "http://127.0.0.1:1" },
    "s3://images",
    /^s3:\/\/images cannot be reached at 127\.0\.0\.1:1: ECONNREFUSED\.$/,
  ],
  [
    "no region of Amazon's",
    { AWS_ENDPOINT_URL_S3: "" },
    "s3://images",
    /^no region is set for s3:\/\/images; set AWS_REGION\.$/,
  ],
])("%s: one sentence", async (_, env, address, says) => {
  useEnvironment({ ...(await startS3()).env, ...env });
  await expect(openStore(address, undefined, 2)).rejects.toMatchObject({
    code: "OUTPUT",
    exitCode: 6,
    message: expect.stringMatching(says) as string,
  });
});

/** A server that says yes to all, and gives back something else. */
async function startCareless(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => response.end(request.method === "GET" ? "something else" : ""));
  });
  onTestFinished(() => void server.close());
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

test("an image that is not stored as it was sent is an error", async () => {
  const { port } = (await startCareless()).address() as AddressInfo;
  useEnvironment({ ...without, ...clientOf(`http://127.0.0.1:${port}`) });
  const store = await openStore("s3://images");
  onTestFinished(store.close);
  await expect(store.put("a.png", writeImage("x"))).rejects.toThrow("s3://images has not stored a.png as it was sent");
});
