/**
 * @module hub/read-body
 * The bytes of an answer, watched: a line that drips or hangs is cut instead of waited for.
 */

import { HubError } from "../errors.ts";
import { transportFailure, type Answer } from "./request.ts";
import { TransientFailure, timeoutsOf } from "./retry.ts";
import type { HubSettings } from "./types.ts";

/**
 * @throws {TransientFailure} the line broke, or brought fewer than `stallBytes` in `stallMs`; the signal's reason.
 */
export async function* readBody(
  settings: HubSettings,
  { response, url, abort }: Answer,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const { stallMs, stallBytes } = timeoutsOf(settings);
  let windowBytes = 0;
  const timer = setInterval(() => {
    if (windowBytes < stallBytes) abort(stalled(url, stallMs));
    windowBytes = 0;
  }, stallMs);
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      windowBytes += chunk.length;
      yield chunk;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw transportFailure(settings, error, url);
  } finally {
    clearInterval(timer);
  }
}

function stalled(url: URL, stallMs: number): TransientFailure {
  const text = `${url.host} sends almost nothing for ${stallMs / 1000} s; check the network and try again, what has arrived is kept.`;
  return new TransientFailure(new HubError("network", text));
}
