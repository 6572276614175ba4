/**
 * @module run/handle
 * A run that can be awaited for its result and iterated for its events.
 */

/**
 * Work that has begun. `await` it for the result; `for await` it for the events, which ends when the work does and throws
 * what the work throws. Events are handed to the iterators that are there when they happen, not kept: begin to iterate in
 * the statement that starts the work.
 */
export class Handle<Result, Event> implements PromiseLike<Result>, AsyncIterable<Event> {
  readonly #result: Promise<Result>;
  readonly #queues = new Set<EventQueue<Event>>();

  /** @param work begins at once; it is given what hands its events on. */
  constructor(work: (onEvent: (event: Event) => void) => Promise<Result>) {
    const onEvent = (event: Event): void => this.#queues.forEach((queue) => queue.push(event));
    // not in this very tick: who starts the work may still begin to iterate
    this.#result = Promise.resolve().then(() => work(onEvent));
    const end = (): void => this.#queues.forEach((queue) => queue.end());
    this.#result.then(end, end);
  }

  then<Fulfilled = Result, Rejected = never>(
    onFulfilled?: ((value: Result) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.#result.then(onFulfilled, onRejected);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void> {
    const queue = new EventQueue<Event>();
    this.#queues.add(queue);
    const end = (): void => queue.end();
    this.#result.then(end, end); // the work may have ended before
    try {
      yield* queue.drain();
      await this.#result;
    } finally {
      this.#queues.delete(queue);
    }
  }
}

/** Events that wait to be read. */
class EventQueue<Event> {
  #waiting: Event[] = [];
  #isEnded = false;
  #wake: () => void = () => undefined;

  push(event: Event): void {
    this.#waiting.push(event);
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async *drain(): AsyncGenerator<Event, void> {
    for (;;) {
      const events = this.#waiting;
      this.#waiting = [];
      yield* events;
      if (this.#waiting.length > 0) continue;
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
