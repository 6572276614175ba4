/**
 * A Hub for tests: model info, tree, resolve and whoami as huggingface.co answers them, LFS files from a second host
 * (another port, so another origin), both on 127.0.0.1, and faults that are switched on one by one.
 */

import { createHash } from "node:crypto";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";

export const commit = "0123456789abcdef0123456789abcdef01234567";

export interface ServedFile {
  readonly path: string;
  readonly content: Buffer;
  readonly lfs: boolean;
}

export interface ServedRepo {
  readonly files: ServedFile[];
  /** Branches and tags; `main` stands for `commit`. */
  readonly refs: Record<string, string>;
  gated?: boolean;
}

/** Each is off until a test sets it. */
export interface Faults {
  /** One entry per content answer: cut the line after so many bytes of its body; Infinity: leave it whole. */
  dropAfter: number[];
  /** The first answers, whatever is asked for: a status with headers. */
  statuses: { status: number; headers?: Record<string, string> }[];
  /** 200 and everything, where a Range was asked for. */
  ignoreRange: boolean;
  /** One 416 each. */
  refuseRange: number;
  /** 206 with another part than was asked for, once each. */
  shiftRange: number;
  /** Instead of the content's own. */
  etag: string | undefined;
  /** One content answer each with the first byte flipped. */
  corrupt: number;
  /** Send so many bytes, then nothing more. */
  hangAfter: number | undefined;
  /** One byte per so many ms. */
  dripMs: number | undefined;
  /** More bytes than the file has, without a length. */
  endless: boolean;
  /** LFS files lie here instead of at the second host. */
  redirectTo: string | undefined;
  /** Pause between pieces of 8 KiB. */
  pieceMs: number | undefined;
  /** Called before each piece of content with the bytes sent so far, over all answers. */
  onPiece: ((sentBytes: number) => void) | undefined;
  /** Entries per page of a listing. */
  pageSize: number;
  /** Takes the place of a listing's entries. */
  tree: unknown;
}

export interface SeenRequest {
  readonly host: "hub" | "store";
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface TestHub {
  readonly url: string;
  readonly storeUrl: string;
  readonly repos: Map<string, ServedRepo>;
  readonly faults: Faults;
  readonly seen: SeenRequest[];
  /** Accounts by token. */
  readonly accounts: Map<string, string>;
  /** Accounts that accepted every licence. */
  readonly accepted: Set<string>;
}

/** Stops with the test that started it. */
export async function startHub(): Promise<TestHub> {
  const hubServer = createServer((request, response) => void serve("hub", request, response));
  const storeServer = createServer((request, response) => void serve("store", request, response));
  const hub: TestHub = {
    url: await listen(hubServer),
    storeUrl: await listen(storeServer),
    repos: new Map(),
    faults: noFaults(),
    seen: [],
    accounts: new Map([["hf_good", "somebody"]]),
    accepted: new Set(),
  };
  let sentBytes = 0;
  onTestFinished(async () => {
    await Promise.all([stop(hubServer), stop(storeServer)]);
  });
  return hub;

  async function serve(host: "hub" | "store", request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    hub.seen.push({ host, path, headers: request.headers });
    const status = hub.faults.statuses.shift();
    if (status !== undefined) return end(response, status.status, status.headers ?? {}, "busy");
    if (host === "store") return serveStore(path, request, response);
    const url = new URL(path, hub.url);
    if (url.pathname === "/api/whoami-v2") return serveAccount(request, response);
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)$/.exec(url.pathname);
    if (api) return serveApi(api[1] ?? "", api[2] ?? "", decodeURIComponent(api[3] ?? ""), url, request, response);
    const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    if (file) return serveFile(file[1] ?? "", file[2] ?? "", decodeURIComponent(file[3] ?? ""), request, response);
    return end(response, 404, {}, "no such page");
  }

  function accountOf(request: IncomingMessage): string | undefined {
    return hub.accounts.get(/^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1] ?? "");
  }

  function serveAccount(request: IncomingMessage, response: ServerResponse): void {
    const name = accountOf(request);
    if (name === undefined) return refuse(response, 401, "", "Invalid credentials in Authorization header");
    json(response, { type: "user", name, auth: { type: "access_token" } });
  }

  function serveApi(
    name: string,
    kind: string,
    revision: string,
    url: URL,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    const repo = hub.repos.get(name);
    if (repo === undefined) return refuseRepo(request, response);
    const sha = revision === commit ? commit : repo.refs[revision];
    if (sha === undefined) return refuse(response, 404, "RevisionNotFound", `Invalid rev id: ${revision}`);
    if (kind === "revision")
      return json(response, { _id: "1", id: name, sha, lastModified: "2026-01-01T00:00:00.000Z" });
    if (hub.faults.tree !== undefined) return json(response, hub.faults.tree);
    const from = Number(url.searchParams.get("cursor") ?? 0);
    const to = from + hub.faults.pageSize;
    url.searchParams.set("cursor", String(to));
    const link = to < repo.files.length ? { link: `<${url.href}>; rel="next"` } : {};
    const folders = from === 0 ? [{ type: "directory", path: "unet", size: 0, oid: "0".repeat(40) }] : [];
    json(response, [...folders, ...repo.files.slice(from, to).map(treeEntry)], link);
  }

  function serveFile(name: string, revision: string, path: string, request: IncomingMessage, response: ServerResponse) {
    const repo = hub.repos.get(name);
    if (repo === undefined) return refuseRepo(request, response);
    if (repo.gated === true && !hub.accepted.has(accountOf(request) ?? "")) {
      return refuse(
        response,
        accountOf(request) === undefined ? 401 : 403,
        "GatedRepo",
        `Access to model ${name} is restricted.`,
      );
    }
    if (revision !== commit && repo.refs[revision] === undefined) {
      return refuse(response, 404, "RevisionNotFound", "Invalid rev id");
    }
    const file = repo.files.find((served) => served.path === path);
    if (file === undefined) return refuse(response, 404, "EntryNotFound", "Entry not found");
    const etag = hub.faults.etag ?? etagOf(file);
    if (!file.lfs) return serveContent(file, etag, request, response);
    const location = hub.faults.redirectTo ?? `${hub.storeUrl}/${name}/${etagOf(file)}?X-Signature=secret`;
    end(response, 302, {
      location,
      "x-repo-commit": commit,
      "x-linked-etag": `"${etag}"`,
      "x-linked-size": String(file.content.length),
    });
  }

  function serveStore(path: string, request: IncomingMessage, response: ServerResponse): void | Promise<void> {
    const file = [...hub.repos.values()].flatMap(({ files }) => files).find((served) => path.includes(etagOf(served)));
    if (file === undefined) return end(response, 403, {}, "expired");
    return serveContent(file, `multipart-${file.content.length}-1`, request, response); // a store's ETag is its own
  }

  async function serveContent(
    file: ServedFile,
    etag: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { faults } = hub;
    const total = file.content.length;
    const content = faults.corrupt-- > 0 ? flipFirst(file.content) : file.content;
    const ifRange = request.headers["if-range"];
    const holds = ifRange === undefined || ifRange === `"${etag}"`;
    const [, first, last = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    let from = Number(first ?? NaN);
    if (Number.isNaN(from) || faults.ignoreRange || !holds) from = -1;
    if (from >= 0 && faults.refuseRange-- > 0) {
      return end(response, 416, { "content-range": `bytes */${total}` });
    }
    if (from >= 0 && faults.shiftRange-- > 0) from = Math.max(0, from - 1);
    const to = from >= 0 && last !== "" ? Math.min(total, Number(last) + 1) : total;
    const body = content.subarray(Math.max(0, from), to);
    const headers: Record<string, string> = { etag: `"${etag}"`, "accept-ranges": "bytes", "x-repo-commit": commit };
    if (!faults.endless) headers["content-length"] = String(body.length);
    if (from >= 0) headers["content-range"] = `bytes ${from}-${to - 1}/${total}`;
    response.writeHead(from >= 0 ? 206 : 200, headers);
    await sendBody(response, body);
  }

  async function sendBody(response: ServerResponse, body: Buffer): Promise<void> {
    const { faults } = hub;
    const dropAfter = faults.dropAfter.shift() ?? Infinity;
    const pieceBytes = faults.dripMs === undefined ? 8192 : 1;
    for (let sent = 0; sent < body.length && !response.destroyed;) {
      const end = Math.min(sent + pieceBytes, body.length, dropAfter, faults.hangAfter ?? Infinity);
      faults.onPiece?.(sentBytes);
      await write(response, body.subarray(sent, end));
      sentBytes += end - sent;
      sent = end;
      if (sent === dropAfter) {
        await sleep(5); // what was written leaves the machine first
        response.destroy();
        return;
      }
      if (sent === faults.hangAfter) return;
      const pauseMs = faults.dripMs ?? faults.pieceMs;
      if (pauseMs !== undefined) await sleep(pauseMs);
    }
    if (dropAfter === 0) return void response.destroy();
    if (faults.endless) await write(response, Buffer.alloc(4096));
    response.end();
    faults.onPiece?.(sentBytes);
  }

  /** Without a token the Hub tells nobody what exists. */
  function refuseRepo(request: IncomingMessage, response: ServerResponse): void {
    if (request.headers.authorization !== undefined && accountOf(request) === undefined) {
      return refuse(response, 401, "", "Invalid credentials in Authorization header");
    }
    refuse(response, accountOf(request) === undefined ? 401 : 404, "RepoNotFound", "Repository not found");
  }
}

/** A file with content that no other has. */
export function servedFile(path: string, bytes: number, lfs = true): ServedFile {
  const content = Buffer.alloc(bytes);
  let state = Array.from(path).reduce((hash, sign) => (hash * 31 + sign.charCodeAt(0)) | 0, 7);
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0; // Numerical Recipes' linear congruential generator
    content[i] = state >>> 24;
  }
  return { path, content, lfs };
}

export function etagOf({ content, lfs }: ServedFile): string {
  const hash = lfs ? createHash("sha256") : createHash("sha1").update(`blob ${content.length}\0`);
  return hash.update(content).digest("hex");
}

function treeEntry(file: ServedFile): object {
  const { path, content, lfs } = file;
  const oid = etagOf(file);
  if (!lfs) return { type: "file", path, size: content.length, oid };
  return {
    type: "file",
    path,
    size: content.length,
    oid: "f".repeat(40),
    lfs: { oid, size: content.length, pointerSize: 134 },
  };
}

function noFaults(): Faults {
  return {
    dropAfter: [],
    statuses: [],
    ignoreRange: false,
    refuseRange: 0,
    shiftRange: 0,
    etag: undefined,
    corrupt: 0,
    hangAfter: undefined,
    dripMs: undefined,
    endless: false,
    redirectTo: undefined,
    pieceMs: undefined,
    onPiece: undefined,
    pageSize: 1000,
    tree: undefined,
  };
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

async function write(response: ServerResponse, bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve) => void response.write(bytes, () => resolve()));
}

function end(response: ServerResponse, status: number, headers: Record<string, string>, text = ""): void {
  response.writeHead(status, headers).end(text);
}

function json(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  end(response, 200, { "content-type": "application/json; charset=utf-8", ...headers }, JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  end(response, status, { "x-error-message": message, ...(code !== "" && { "x-error-code": code }) }, message);
}

function flipFirst(content: Buffer): Buffer {
  const flipped = Buffer.from(content);
  flipped[0] = (flipped[0] ?? 0) ^ 1;
  return flipped;
}
