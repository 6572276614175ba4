/**
 * @module run/handle
 * Work that can be awaited for its result and iterated for its events.
 */

/**
 * A promise of the result. `for await` over it gives the events, ends when the work does and throws what the work throws.
 * Events are handed to the iterators that are there when they happen, not kept: begin to iterate in the statement that
 * starts the work.
 */
export type Handle<Result, Event> = Promise<Result> & AsyncIterable<Event>;

/** @param work begins in this turn of the event loop; it is given what hands its events on. */
export function createHandle<Result, Event>(
  work: (onEvent: (event: Event) => void) => Promise<Result>,
): Handle<Result, Event> {
  const queues = new Set<EventQueue<Event>>();
  const onEvent = (event: Event): void => queues.forEach((queue) => queue.push(event));
  const result = Promise.resolve().then(() => work(onEvent)); // not at once: who starts it may still begin to iterate
  const end = (): void => queues.forEach((queue) => queue.end());
  result.then(end, end);
  async function* iterate(): AsyncGenerator<Event, void> {
    const queue = new EventQueue<Event>();
    queues.add(queue);
    const endQueue = (): void => queue.end();
    result.then(endQueue, endQueue); // the work may have ended before
    try {
      yield* queue.drain();
      await result;
    } finally {
      queues.delete(queue);
    }
  }
  return Object.assign(result, { [Symbol.asyncIterator]: iterate });
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
