/** The tiny reference checkpoints as repositories of a Hub on 127.0.0.1, sent in small pieces so that a pull takes a while. */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { checkpoints } from "./program.ts";

const commit = "0123456789abcdef0123456789abcdef01234567";
const [pieceBytes, pieceMs] = [8 * 1024, 5];

interface ServedFile {
  readonly path: string;
  readonly content: Buffer;
  readonly isLarge: boolean;
  readonly etag: string;
}

export interface CheckpointHub {
  readonly url: string;
  readonly close: () => void;
}

export async function serveCheckpoints(): Promise<CheckpointHub> {
  const repos = new Map(["if-i", "if-ii", "x4-upscaler"].map((name) => [name, readFiles(join(checkpoints, name))]));
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const files = repos.get(checkpointOf(url.pathname)) ?? [];
    if (url.pathname.includes("/revision/")) return json(response, { id: "x", sha: commit });
    if (url.pathname.includes("/tree/")) return json(response, files.map(entryOf));
    const path = decodeURIComponent(/\/resolve\/[^/]+\/(.+)$/.exec(url.pathname)?.[1] ?? "");
    const file = files.find((served) => served.path === path);
    if (file === undefined) return void response.writeHead(404).end();
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    void send(response, file, from);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

/** The published repositories' names: DeepFloyd/IF-I-M-v1.0, DeepFloyd/IF-II-M-v1.0, stabilityai/stable-diffusion-x4-upscaler. */
const checkpointOf = (path: string): string =>
  /\/IF-I-/.test(path) ? "if-i" : /\/IF-II-/.test(path) ? "if-ii" : "x4-upscaler";

function readFiles(root: string): ServedFile[] {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.map((entry) => {
    const path = relative(root, join(entry.parentPath, entry.name));
    const content = readFileSync(join(root, path));
    const isLarge = /\.(safetensors|model)$/.test(path);
    const hash = isLarge ? createHash("sha256") : createHash("sha1").update(`blob ${content.length}\0`);
    return { path, content, isLarge, etag: hash.update(content).digest("hex") };
  });
}

function entryOf({ path, content, isLarge, etag }: ServedFile): object {
  const lfs = { oid: etag, size: content.length, pointerSize: 134 };
  return { type: "file", path, size: content.length, oid: isLarge ? "f".repeat(40) : etag, ...(isLarge && { lfs }) };
}

async function send(response: ServerResponse, { content, etag }: ServedFile, from: number): Promise<void> {
  const range = { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` };
  response.writeHead(from > 0 ? 206 : 200, { etag: `"${etag}"`, ...(from > 0 && range) });
  for (let at = from; at < content.length && !response.destroyed; at += pieceBytes) {
    response.write(content.subarray(at, at + pieceBytes));
    await sleep(pieceMs);
  }
  response.end();
}

const json = (response: ServerResponse, value: unknown): void =>
  void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
