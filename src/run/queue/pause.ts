/**
 * @module run/queue/pause
 * Waits, at most until a signal comes.
 */

import { setTimeout as delay } from "node:timers/promises";

export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(milliseconds, undefined, signal ? { signal } : undefined).catch(() => undefined); // who waits looks at it
}
