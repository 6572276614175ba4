/**
 * @module pipelines/scheduling-threads
 * Threads in which the steps of images are taken: guidance, thresholding, the scheduler and its noise. onnxruntime-node runs a
 * network on the thread that calls it, which can do nothing else meanwhile (onnxruntime issue 19611): what a step needs besides
 * is done elsewhere, or the GPU waits for it.
 */

import type { FromThread, Share, ToThread } from "./scheduling-messages.ts";
import { type Worker, startThread, threadFailure } from "./start-thread.ts";

type Predicted = Omit<Extract<ToThread, { type: "predicted" }>, "type" | "id">;

/** A share's steps in a thread. */
export interface ShareSteps {
  /** @returns what it says next: that it asks for an answer of the network, or has ended. @throws {StageError} it failed. */
  readonly says: () => Promise<Exclude<FromThread, { type: "failed" }>>;
  readonly answer: (predicted: Predicted) => void;
}

export interface SchedulingThreads {
  /** Begins with a share in the thread that has the fewest. */
  start(share: Share): ShareSteps;
}

/**
 * @param count of threads; 0: there are none, and `use` gets nothing.
 * @param entry the program of a thread; the built one beside this file if absent.
 */
export async function withSchedulingThreads<T>(
  count: number,
  use: (threads: SchedulingThreads | undefined) => Promise<T>,
  entry = new URL("./scheduling-worker.js", import.meta.url),
): Promise<T> {
  if (count === 0) return use(undefined);
  const threads = Array.from({ length: count }, () => new Thread(entry));
  let shares = 0;
  try {
    return await use({
      start: (share) =>
        threads.reduce((least, one) => (one.shares < least.shares ? one : least)).start(shares++, share),
    });
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}

class Thread {
  readonly #worker: Worker;
  readonly #listeners = new Map<number, (message: FromThread) => void>();
  #failure: string | undefined;

  constructor(entry: URL) {
    this.#worker = startThread(entry, (why) => this.#fail(why));
    this.#worker.on("message", (message: FromThread) => this.#listeners.get(message.id)?.(message));
  }

  get shares(): number {
    return this.#listeners.size;
  }

  start(id: number, share: Share): ShareSteps {
    const unread: FromThread[] = [];
    let listener: ((next: FromThread) => void) | undefined;
    this.#listeners.set(id, (next) => {
      if (next.type !== "asks") this.#listeners.delete(id);
      if (listener) listener(next);
      else unread.push(next);
      listener = undefined;
    });
    if (this.#failure === undefined) this.#post({ type: "start", id, share });
    else this.#listeners.get(id)?.({ type: "failed", id, message: this.#failure });
    return {
      says: async () => {
        const next = unread.shift() ?? (await new Promise<FromThread>((resolve) => (listener = resolve)));
        if (next.type !== "failed") return next;
        throw threadFailure("A thread that takes the steps of images", next.message);
      },
      answer: (predicted) => this.#post({ type: "predicted", id, ...predicted }),
    };
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #post(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #fail(message: string): void {
    this.#failure ??= message;
    for (const [id, listener] of this.#listeners) listener({ type: "failed", id, message: this.#failure });
  }
}
