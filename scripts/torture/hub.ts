/** A Hub on 127.0.0.1 that answers wrongly in every way we could think of. Each scenario must end, in time, with a file that is right or a HubError. */

import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HubError } from "../../src/errors.ts";
import { downloadFiles } from "../../src/hub/download-files.ts";
import type { HubSettings } from "../../src/hub/types.ts";
import { mutate } from "./mutate.ts";
import type { InputOptions } from "./input.ts";
import { createRandom } from "./random.ts";
import { add, judge, type Row, type Table } from "./table.ts";

export type HubOutcome = "right" | "refused" | "wrong file" | "crashed" | "hung";

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

const commit = "0123456789abcdef0123456789abcdef01234567";
const content = Buffer.alloc(3_000_000, "if-gen ");
const sha256 = createHash("sha256").update(content).digest("hex");
const tree = JSON.stringify([
  { type: "file", path: "unet/a.safetensors", size: content.length, oid: "f".repeat(40), lfs: { oid: sha256, size: content.length, pointerSize: 134 } },
]); // prettier-ignore

/** Twenty times as impatient as in earnest. */
const timeouts = { headersMs: 1000, stallMs: 1500, stallBytes: 800, attempts: 6, backoffMs: 25, maxBackoffMs: 1000, maxRetryAfterMs: 15_000, lockMs: 15_000, answerMs: 3000, listingMs: 15_000 }; // prettier-ignore
const limitMs = 45_000;

const json = (response: ServerResponse, body: string | Buffer, headers: Record<string, string> = {}): void =>
  void response.writeHead(200, { "content-type": "application/json", ...headers }).end(body);

const isTree = ({ url = "" }: IncomingMessage): boolean => url.startsWith("/api/");

/** The right answer to everything. */
const right: Answer = (request, response) => {
  if (isTree(request)) return json(response, tree);
  const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const range = from > 0 ? { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` } : {};
  response.writeHead(from > 0 ? 206 : 200, { etag: `"${sha256}"`, ...range }).end(content.subarray(from));
};

const listing =
  (answer: Answer): Answer =>
  (request, response, count) =>
    isTree(request) ? answer(request, response, count) : right(request, response, count);
const file =
  (answer: Answer): Answer =>
  (request, response, count) =>
    isTree(request) ? right(request, response, count) : answer(request, response, count);
const drip = (response: ServerResponse, piece: string | Buffer, ms: number): void => {
  response.writeHead(200);
  const timer = setInterval(() => response.write(piece), ms);
  response.on("close", () => clearInterval(timer));
};

export const scenarios: Readonly<Record<string, Answer>> = {
  "all is well": right,
  "pages without end": listing((request, response, count) => json(response, "[]", { link: `<http://${request.headers.host}/api/p${count}>; rel="next"` })),
  "pages in a circle": listing((request, response) => json(response, "[]", { link: `<http://${request.headers.host}/api/p>; rel="next"` })),
  "a page on another host": listing((_, response) => json(response, "[]", { link: '<http://127.0.0.1:1/x>; rel="next"' })),
  "a listing that drips": listing((_, response) => drip(response, " ".repeat(1000), 50)),
  "a listing without end": listing((_, response) => drip(response, " ".repeat(1_000_000), 1)),
  "30 MB of [": listing((_, response) => json(response, "[".repeat(30_000_000))),
  "a listing of a million files": listing((_, response) => json(response, `[${tree.slice(1, -1)}${`,${tree.slice(1, -1)}`.repeat(40_000)}]`)),
  "names that lead out": listing((_, response) => json(response, tree.replace("unet/a", "../../a"))),
  "a name of control characters": listing((_, response) => json(response, tree.replace("unet/a", "a\\u001b]0;x\\u0007"))),
  "HTML": listing((_, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<html>log in</html>")),
  "redirects without end": (request, response) => void response.writeHead(302, { location: `${request.url}x` }).end(),
  "a redirect to a file": file((_, response) => void response.writeHead(302, { location: "file:///etc/passwd" }).end()),
  "503 for ever": (_, response) => void response.writeHead(503).end(),
  "429 for an hour": (_, response) => void response.writeHead(429, { "retry-after": "3600" }).end(),
  "silence": () => {},
  "a line that breaks at once": (request) => void request.socket.destroy(),
  "a file that breaks after a byte": file((_, response) => void response.writeHead(200).write(content.subarray(0, 1), () => response.destroy())),
  "a file that alternates its length": file((_, response, count) => void response.writeHead(200).write(content.subarray(0, count % 2 ? 1_200_000 : 1_300_000), () => setTimeout(() => response.destroy(), 20))),
  "a file that drips": file((_, response) => drip(response, content.subarray(0, 1), 20)),
  "a file without end": file((_, response) => drip(response, content, 1)),
  "another file of the same length": file((_, response) => void response.writeHead(200).end(Buffer.alloc(content.length, 1))),
  "a file that is shorter": file((_, response) => void response.writeHead(200).end(content.subarray(5))),
  "ranges that are others": file((_, response) => void response.writeHead(206, { "content-range": `bytes 7-${content.length - 1}/${content.length}` }).end(content.subarray(7))),
  "416 for ever": file((_, response) => void response.writeHead(416).end()),
  "another ETag": file((_, response) => void response.writeHead(200, { etag: `"${"0".repeat(64)}"` }).end(content)),
  "the right file after four breaks": file((request, response, count) => count < 6 ? void response.writeHead(200).write(content.subarray(0, 600_000), () => setTimeout(() => response.destroy(), 10)) : right(request, response, count)),
}; // prettier-ignore

/** Scenario `index` of the damaged listings. */
export const damagedListing = (seed: number, index: number): Answer => {
  const body = mutate(Buffer.from(tree), createRandom(seed * 7919 + index));
  return listing((_, response) => json(response, body));
};

/** All scenarios, and as many damaged listings as cases are asked for. */
export async function hub(table: Table, { seed, cases, isAsked }: InputOptions): Promise<void> {
  for (const [name, answer] of Object.entries(scenarios)) {
    if (isAsked("hub: scenarios") || isAsked(`hub: ${name}`)) await count(table.row("hub: scenarios"), answer, name);
  }
  for (let index = 0; index < cases && isAsked("hub: damaged listings"); index++) {
    await count(table.row("hub: damaged listings"), damagedListing(seed, index), `seed ${seed}, case ${index}`);
  }
}

async function count(row: Row, answer: Answer, what: string): Promise<void> {
  const { outcome, message, ms } = await runScenario(answer);
  add(row, outcome, ms);
  judge(row, what, outcome === "right" || outcome === "refused" ? [] : [`${outcome}. ${message.slice(0, 500)}`]);
}

export async function runScenario(answer: Answer): Promise<{ outcome: HubOutcome; message: string; ms: number }> {
  const cacheFolder = mkdtempSync(join(tmpdir(), "if-gen-torture-hub-"));
  let count = 0;
  const server = createServer((request, response) => answer(request, response, ++count));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings: HubSettings = { endpoint, cacheFolder, offline: false, userAgent: "if-gen/torture", timeouts };
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error("hung")), limitMs);
  const startMs = performance.now();
  const end = (outcome: HubOutcome, message = "") => ({ outcome, message, ms: performance.now() - startMs });
  try {
    const { files } = await downloadFiles(settings, "a/b", commit, () => true, { signal: controller.signal });
    const isRight = files.every(
      ({ file: { path }, path: place }) => path === "" || readFileSync(place).equals(content),
    );
    return end(isRight ? "right" : "wrong file");
  } catch (error) {
    if (controller.signal.aborted) return end("hung");
    const isOurs = error instanceof HubError;
    return end(isOurs ? "refused" : "crashed", isOurs ? error.message : (error as Error).stack);
  } finally {
    clearTimeout(timer);
    server.closeAllConnections();
    server.close();
    const outside = readdirSync(join(cacheFolder, "..")).filter((name) => name === "a.safetensors");
    if (outside.length > 0) console.error("written outside the cache:", outside);
    rmSync(cacheFolder, { recursive: true, force: true });
  }
}
