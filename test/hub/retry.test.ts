import { describe, expect, test } from "vitest";
import { HubError } from "../../src/errors.ts";
import { readRetryAfterMs, TransientFailure, withRetries } from "../../src/hub/retry.ts";
import { timeouts } from "./cache.ts";

const settings = { endpoint: "", cacheFolder: "", offline: false, userAgent: "", timeouts };
const broken = (retryAfterMs = 0): TransientFailure =>
  new TransientFailure(new HubError("network", "broken"), retryAfterMs);

describe("how long a server wants us to wait", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  test.each([
    [{ "retry-after": "7" }, 7000],
    [{ "retry-after": " 0 " }, 0],
    [{ "retry-after": "Thu, 01 Jan 2026 00:00:09 GMT" }, 9000],
    [{ "retry-after": "Thu, 01 Jan 2015 00:00:00 GMT" }, 0],
    [{ "retry-after": "soon" }, 0],
    [{ "retry-after": "-5" }, 0],
    [{ ratelimit: `"api";r=0;t=55` }, 56_000],
    [{ ratelimit: `"api";r=12;t=55` }, 0],
    [{}, 0],
  ])("%j", (headers, ms) => {
    expect(readRetryAfterMs(new Headers(headers as Record<string, string>), now)).toBe(ms);
  });
});

test("tries in a row are counted, and progress starts the count anew", async () => {
  const brought = [false, false, true, false, false];
  let tries = 0;
  const run = async (): Promise<never> => {
    tries++;
    throw broken();
  };
  await expect(withRetries(settings, run, {})).rejects.toMatchObject({ reason: "network", message: "broken" });
  expect(tries).toBe(3);
  tries = 0;
  const stop = withRetries(settings, run, { hasProgressed: () => brought[tries - 1] === true });
  await expect(stop).rejects.toBeInstanceOf(HubError);
  expect(tries).toBe(5);
});

test("pauses grow, with jitter, up to a limit; a bug is not tried again", async () => {
  const slow = { ...settings, timeouts: { ...timeouts, attempts: 6, backoffMs: 2, maxBackoffMs: 12 } };
  const delays: number[] = [];
  const run = withRetries(slow, () => Promise.reject(broken()), { onRetry: ({ delayMs }) => delays.push(delayMs) });
  await expect(run).rejects.toThrow("broken");
  const ceilings = [2, 4, 8, 12, 12];
  expect(delays).toHaveLength(5);
  for (const [i, delay] of delays.entries()) {
    expect(delay).toBeGreaterThanOrEqual((ceilings[i] ?? 0) / 2);
    expect(delay).toBeLessThanOrEqual(ceilings[i] ?? 0);
  }
  let tries = 0;
  const bug = withRetries(settings, () => Promise.reject(new TypeError(`bug ${++tries}`)), {});
  await expect(bug).rejects.toThrow("bug 1");
});

test("a pause too long is not begun", async () => {
  const startMs = Date.now();
  await expect(withRetries(settings, () => Promise.reject(broken(3001)), {})).rejects.toBeInstanceOf(HubError);
  expect(Date.now() - startMs).toBeLessThan(1000);
});
