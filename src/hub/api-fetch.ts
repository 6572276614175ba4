/**
 * @module hub/api-fetch
 * The `fetch` that @huggingface/hub is given: small JSON answers, retried, failures already explained; limited in size, shape,
 * time and number, so that no server holds the program.
 */

import { HubError, IfGenError } from "../errors.ts";
import { type JsonLimits, jsonShapeFault } from "../files/json.ts";
import { quote } from "../text.ts";
import { answerFailure, type Subject } from "./answer-failure.ts";
import { readBody } from "./read-body.ts";
import { request } from "./request.ts";
import { timeoutsOf, withRetries } from "./retry.ts";
import type { HubSettings } from "./types.ts";

/** A page has at most a thousand files, of some hundred bytes and about twenty values each. */
const pageLimits: JsonLimits = { maxBytes: 8_000_000, maxDepth: 16, maxValues: 200_000 };
/** 100,000 files, the Hub's own advice for one repository, are a hundred pages. */
const maxPages = 200;

/** What one question may take: its pages, and when it must be answered. */
interface Allowance {
  readonly visited: Set<string>;
  readonly untilMs: number;
}

/** @returns a fetch for one question, whose answers are 2xx and read already; it throws as `request` and `answerFailure` do. */
export function createApiFetch(settings: HubSettings, subject: Subject, signal?: AbortSignal): typeof fetch {
  const allowance = { visited: new Set<string>(), untilMs: Date.now() + timeoutsOf(settings).listingMs };
  return async (input) => {
    const url = input instanceof Request ? input.url : String(input);
    checkPage(url, allowance);
    return withRetries(settings, () => ask(settings, url, subject, allowance, signal), { signal });
  };
}

/**
 * Calls the library and turns what it makes of a strange answer into words.
 * @throws {HubError} its own, or network: the answer is not what a Hub says.
 */
export async function callLibrary<T>(settings: HubSettings, call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await call();
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof IfGenError) throw error;
    const host = new URL(settings.endpoint).host;
    const text = `${host} does not answer as a Hub does; check HF_ENDPOINT, and whether a proxy or a login page stands between.`;
    throw new HubError("network", text, { cause: error });
  }
}

function checkPage(url: string, { visited }: Allowance): void {
  const { host } = new URL(url);
  if (visited.has(url)) throw endless(host, `leads from one page of its list to the same page again (${quote(url)})`);
  visited.add(url);
  if (visited.size > maxPages) throw endless(host, `lists files on more than ${maxPages} pages`);
}

async function ask(
  settings: HubSettings,
  url: string,
  subject: Subject,
  { untilMs }: Allowance,
  signal?: AbortSignal,
): Promise<Response> {
  if (Date.now() >= untilMs) throw late(new URL(url).host, timeoutsOf(settings).listingMs);
  const answer = await request(settings, url, { headers: { accept: "application/json" }, signal });
  if (!answer.response.ok) throw await answerFailure(settings, answer, subject);
  const { host } = answer.url;
  const allowedMs = Math.min(timeoutsOf(settings).answerMs, Math.max(1, untilMs - Date.now()));
  const timer = setTimeout(() => answer.abort(late(host, allowedMs)), allowedMs);
  try {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of readBody(settings, answer, signal)) {
      bytes += chunk.length;
      if (bytes > pageLimits.maxBytes) throw endless(host, "sends more than a page of a list can be");
      chunks.push(chunk);
    }
    const body = Buffer.concat(chunks);
    const fault = jsonShapeFault(body, pageLimits);
    if (fault !== undefined) throw endless(host, `sends an answer that ${fault}`);
    return new Response(body, { status: 200, headers: answer.response.headers });
  } finally {
    clearTimeout(timer);
  }
}

const endless = (host: string, what: string): HubError =>
  new HubError("network", `${host} ${what}; it was not read on. Check HF_ENDPOINT and any proxy.`);

const late = (host: string, ms: number): HubError =>
  new HubError(
    "network",
    `${host} takes more than ${Math.ceil(ms / 1000)} s for its answer; check the network and any proxy, and try again.`,
  );
