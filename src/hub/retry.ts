/**
 * @module hub/retry
 * Trying again: exponential backoff with full jitter, the server's own Retry-After where it gives one, a bounded number
 * of tries. Source of the formula: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { HubError } from "../errors.ts";
import type { HubSettings, HubTimeouts, RetryNotice } from "./types.ts";

const defaults: HubTimeouts = {
  headersMs: 20_000,
  stallMs: 30_000,
  stallBytes: 16 * 1024,
  answerMs: 60_000,
  listingMs: 5 * 60_000,
  attempts: 6,
  backoffMs: 500,
  maxBackoffMs: 20_000,
  maxRetryAfterMs: 5 * 60_000, // the Hub counts requests per 5 minutes
  lockMs: 5 * 60_000,
};

/** A failure that another try may cure; `failure` is what the user reads when no try did. */
export class TransientFailure extends Error {
  readonly failure: HubError;
  readonly retryAfterMs: number;

  constructor(failure: HubError, retryAfterMs = 0) {
    super(failure.message, { cause: failure });
    this.name = "TransientFailure";
    this.failure = failure;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface RetryOptions {
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Has the last try brought enough to count as a new beginning? */
  readonly hasProgressed?: () => boolean;
}

export function timeoutsOf(settings: HubSettings): HubTimeouts {
  return { ...defaults, ...settings.timeouts };
}

/**
 * @returns what `run` returns, once it does.
 * @throws {HubError} the last failure, when the tries are used up or the server asks for too long a pause;
 *   any error that is not a TransientFailure at once; the signal's reason when it fires.
 */
export async function withRetries<T>(settings: HubSettings, run: () => Promise<T>, options: RetryOptions): Promise<T> {
  const timeouts = timeoutsOf(settings);
  for (let attempt = 1; ; attempt++) {
    try {
      options.signal?.throwIfAborted();
      return await run();
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof TransientFailure)) throw error;
      if (options.hasProgressed?.() === true) attempt = 1;
      if (attempt >= timeouts.attempts || error.retryAfterMs > timeouts.maxRetryAfterMs) throw error.failure;
      const delayMs = Math.max(error.retryAfterMs, backoffMs(timeouts, attempt));
      options.onRetry?.({ attempt, delayMs, message: error.failure.message });
      await pause(delayMs, options.signal);
    }
  }
}

/**
 * @param headers of a 408, 429 or 5xx answer.
 * @returns ms to wait, from Retry-After (seconds or a date) or RateLimit (`"api";r=0;t=55`); 0: it does not say.
 */
export function readRetryAfterMs(headers: Headers, now = Date.now()): number {
  const retryAfter = headers.get("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const date = retryAfter === "" ? NaN : Date.parse(retryAfter);
  if (!Number.isNaN(date)) return Math.max(0, date - now);
  const [, seconds] = /;\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d{1,9})/.exec(headers.get("ratelimit") ?? "") ?? [];
  return seconds === undefined ? 0 : (Number(seconds) + 1) * 1000; // t is rounded down
}

/** @throws the signal's own reason. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

function backoffMs(timeouts: HubTimeouts, attempt: number): number {
  const ceilingMs = Math.min(timeouts.maxBackoffMs, timeouts.backoffMs * 2 ** (attempt - 1));
  return ceilingMs * (0.5 + Math.random() / 2); // at least half: a busy server is not hit at once by anyone
}
