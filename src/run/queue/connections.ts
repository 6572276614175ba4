/**
 * @module run/queue/connections
 * The connections of a queue, BullMQ's own copies of them too, so that all can be ended: a server that is gone is waited for, and
 * who is told to end must not wait with it.
 */

import type { Redis } from "ioredis";

/** After a signal: time to hand jobs back to a server that is there. */
const GRACE_MS = 5_000;
/** A server that is there has answered by then. */
const CLOSE_MS = 2_000;

export class Connections {
  readonly #open = new Set<Redis>();
  readonly #signal: AbortSignal | undefined;
  #timer: NodeJS.Timeout | undefined;
  #giveUp: (reason: unknown) => void = () => undefined;
  /** Fails a while after the signal: ioredis leaves commands that wait for a server waiting, also when it is disconnected. */
  readonly givenUp: Promise<never> = new Promise((_, reject) => (this.#giveUp = reject));

  /** @param signal a while after it, a server that is gone is given up. */
  constructor(signal?: AbortSignal) {
    this.#signal = signal;
    this.givenUp.catch(() => undefined); // not everybody races with it
    signal?.addEventListener("abort", this.#giveUpSoon, { once: true });
  }

  /** Commands on it wait for a server that is started again. */
  async open(url: string): Promise<Redis> {
    const { Redis } = await import("ioredis");
    return this.#track(new Redis(url, { maxRetriesPerRequest: null }));
  }

  /** Ends them all, whether or not `close` gets an answer. */
  async close(close: () => Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_MS)));
    await Promise.race([close().catch(() => undefined), late]);
    clearTimeout(timer);
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#giveUpSoon);
    this.#disconnect();
  }

  readonly #giveUpSoon = (): void => {
    this.#timer = setTimeout(() => {
      this.#disconnect();
      this.#giveUp(this.#signal?.reason);
    }, GRACE_MS);
  };

  #disconnect(): void {
    for (const redis of this.#open) redis.disconnect();
  }

  #track(redis: Redis): Redis {
    this.#open.add(redis);
    redis.on("error", () => undefined); // a connection that is lost is opened again
    const duplicate = redis.duplicate.bind(redis);
    redis.duplicate = (override) => this.#track(duplicate(override));
    return redis;
  }
}
