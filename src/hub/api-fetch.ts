/**
 * @module hub/api-fetch
 * The `fetch` that @huggingface/hub is given: small JSON answers, retried, limited in size, failures already explained.
 */

import { HubError, IfGenError } from "../errors.ts";
import { answerFailure, type Subject } from "./answer-failure.ts";
import { readBody } from "./read-body.ts";
import { request } from "./request.ts";
import { withRetries } from "./retry.ts";
import type { HubSettings } from "./types.ts";

const maxAnswerBytes = 64 * 2 ** 20; // a page of a listing is some hundred KiB

/** @returns a fetch whose answers are 2xx and read already; it throws as `request` and `answerFailure` do. */
export function createApiFetch(settings: HubSettings, subject: Subject, signal?: AbortSignal): typeof fetch {
  return async (input) => {
    const url = input instanceof Request ? input.url : String(input);
    return withRetries(settings, () => ask(settings, url, subject, signal), { signal });
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

async function ask(settings: HubSettings, url: string, subject: Subject, signal?: AbortSignal): Promise<Response> {
  const answer = await request(settings, url, { headers: { accept: "application/json" }, signal });
  if (!answer.response.ok) throw await answerFailure(settings, answer, subject);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of readBody(settings, answer, signal)) {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) throw new HubError("network", `${answer.url.host} sends more than a listing can be.`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: 200, headers: answer.response.headers });
}
