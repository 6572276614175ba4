/**
 * @module hub/request
 * One GET, its redirects followed by hand: the token goes to the endpoint's own origin and nowhere else.
 */

import { HubError, UsageError } from "../errors.ts";
import { canFetch } from "./can-fetch.ts";
import { TransientFailure, timeoutsOf } from "./retry.ts";
import type { HubSettings } from "./types.ts";

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const maxRedirects = 8;

export interface RequestOptions {
  /** Sent on every hop. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to the endpoint only: what another host would misread, or has no right to. */
  readonly endpointHeaders?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  /** The last answer, of whatever status; its body is not read yet. */
  readonly response: Response;
  /** Where it came from. */
  readonly url: URL;
  /** The content's name as the endpoint gave it (X-Linked-ETag, else ETag), bare; undefined: it gave none. */
  readonly etag: string | undefined;
  /** Ends the body with an error. */
  readonly abort: (reason: Error) => void;
}

/** @throws {UsageError} the endpoint is not an http(s) URL. */
export function endpointOf(settings: HubSettings): string {
  const url = URL.canParse(settings.endpoint) ? new URL(settings.endpoint) : undefined;
  if ((url?.protocol === "https:" || url?.protocol === "http:") && url.search + url.hash + url.username === "") {
    return url.href.replace(/\/+$/, "");
  }
  throw new UsageError("HF_ENDPOINT is not the address of a Hub; write it like https://huggingface.co.");
}

/**
 * @throws {TransientFailure} the host cannot be reached, or does not answer in time.
 * @throws {HubError} network: the answer leads nowhere; offline; token: it cannot be a token.
 */
export async function request(settings: HubSettings, start: string, options: RequestOptions): Promise<Answer> {
  const endpoint = new URL(endpointOf(settings));
  let url = new URL(start);
  let etag: string | undefined;
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const isEndpoint = url.origin === endpoint.origin;
    const credentials = isEndpoint ? { ...authorization(settings), ...options.endpointHeaders } : {};
    const { response, abort } = await exchange(settings, url, { ...options.headers, ...credentials }, options.signal);
    if (isEndpoint) etag ??= readEtag(response);
    const location = redirectStatuses.has(response.status) ? response.headers.get("location") : null;
    if (location === null) return { response, url, etag, abort };
    await response.body?.cancel();
    url = nextUrl(url, location);
  }
  throw new HubError("network", `${endpoint.host} redirects without end; check HF_ENDPOINT and any proxy.`);
}

/**
 * Called before anything of `fetch` is touched: its classes are enough to end a process that has too few addresses.
 * @throws {HubError} offline; network: a request would end the process.
 */
export function checkOnline(settings: HubSettings, what: string): void {
  if (settings.offline) {
    throw new HubError(
      "offline",
      `${what} is not in the cache, and HF_HUB_OFFLINE forbids fetching it; unset it and try again.`,
    );
  }
  if ((settings.canFetch ?? canFetch)()) return;
  throw new HubError(
    "network",
    `${what} cannot be asked for: this shell's limit of addresses (ulimit -v) keeps Node from it; lift the limit ` +
      "(ulimit -v unlimited), or set HF_HUB_OFFLINE=1 to do without.",
  );
}

/** `W/"abc"` and `"abc"` are abc. */
export function bareEtag(etag: string): string {
  return etag.trim().replace(/^W\//, "").replaceAll('"', "");
}

async function exchange(
  settings: HubSettings,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<{ response: Response; abort: (reason: Error) => void }> {
  checkOnline(settings, url.host);
  const controller = new AbortController();
  const { headersMs } = timeoutsOf(settings);
  const timer = setTimeout(
    () => controller.abort(failure(settings, url, `did not answer in ${headersMs / 1000} s`)),
    headersMs,
  );
  try {
    const response = await (settings.fetch ?? fetch)(url, {
      headers: { "user-agent": settings.userAgent, "accept-encoding": "identity", ...headers },
      redirect: "manual",
      signal: signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
    });
    return { response, abort: (reason) => controller.abort(reason) };
  } catch (error) {
    signal?.throwIfAborted();
    throw transportFailure(settings, error, url);
  } finally {
    clearTimeout(timer);
  }
}

/** What a failed fetch, or a body that broke off, means for the one who reads it. */
export function transportFailure(settings: Pick<HubSettings, "proxyAdvice">, error: unknown, url: URL): Error {
  if (error instanceof TransientFailure || error instanceof HubError) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "the connection broke";
  if (/^ERR_SSL|^EPROTO$/.test(code)) {
    const text = `${url.host} does not speak TLS as expected (${code}); check whether HF_ENDPOINT should begin with http://, and whether a proxy stands between.`;
    return new HubError("network", text, { cause: error });
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/.test(code)) {
    const text = `The certificate of ${url.host} is not trusted (${code}); name your own authority in NODE_EXTRA_CA_CERTS.`;
    return new HubError("network", text, { cause: error });
  }
  return failure(settings, url, `cannot be reached or broke off (${code})`, error);
}

function failure(
  { proxyAdvice = "check the network" }: Pick<HubSettings, "proxyAdvice">,
  url: URL,
  what: string,
  cause?: unknown,
): TransientFailure {
  const text = `${url.host} ${what}; ${proxyAdvice} and try again, what has arrived is kept.`;
  return new TransientFailure(new HubError("network", text, { cause }));
}

/** A line break or a stray character would make fetch quote the whole header, token and all, in its error. */
function authorization({ token }: HubSettings): Record<string, string> {
  if (token === undefined || token === "") return {};
  if (/^[\x21-\x7e]+$/.test(token)) return { authorization: `Bearer ${token}` };
  throw new HubError("token", "The token holds a space or a character no token has; log in again with if-gen login.");
}

function readEtag({ headers, ok }: Response): string | undefined {
  const etag = headers.get("x-linked-etag") ?? (ok ? headers.get("etag") : null);
  return etag === null ? undefined : bareEtag(etag);
}

function nextUrl(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  const isSafe = to?.protocol === "https:" || (to?.protocol === "http:" && from.protocol === "http:");
  if (to !== undefined && isSafe) return to;
  throw new HubError(
    "network",
    `${from.host} redirects to an address that is not followed; check HF_ENDPOINT and any proxy.`,
  );
}
