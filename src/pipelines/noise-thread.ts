/**
 * @module pipelines/noise-thread
 * A thread that draws a step's noise while the network runs. One image's steps are taken in the thread that calls the network,
 * which is blocked meanwhile (onnxruntime issue 19611); its noise is all of a step that does not need the network's answer.
 */

import type { Generator } from "../math/random.ts";
import { elementCount } from "../math/tensor.ts";
import type { NoiseOrder } from "./noise-worker.ts";
import { type Worker, startThread, threadFailure } from "./start-thread.ts";

type Resumable = Generator & Required<Pick<Generator, "loadState">>;

export interface NoiseThread {
  /**
   * @returns a generator that gives the same numbers as `generator` and leaves it in the same state. What it has drawn once, it
   * expects to be asked for again.
   */
  drawAhead(generator: Resumable): Generator;
}

/**
 * @param wanted false: there is no thread, and `use` gets nothing. It is started by the first draw.
 * @param entry the program of the thread; the built one beside this file if absent.
 */
export async function withNoiseThread<T>(
  wanted: boolean,
  use: (thread: NoiseThread | undefined) => Promise<T>,
  entry = new URL("./noise-worker.js", import.meta.url),
): Promise<T> {
  if (!wanted) return use(undefined);
  const thread = new Thread(entry);
  try {
    return await use({ drawAhead: (generator) => drawAhead(generator, thread) });
  } finally {
    await thread.end();
  }
}

function drawAhead(generator: Resumable, thread: Thread): Generator {
  let ordered: NoiseOrder | undefined;
  return {
    ...generator,
    randn(shape, dtype = "float32") {
      const length = elementCount(shape);
      const drawn = dtype === "float32" && ordered ? takeDrawn(ordered, length, generator) : undefined;
      const data = drawn ?? generator.randn(shape, dtype).data;
      const memory = ordered?.length === length ? ordered.memory : memoryFor(length, generator.saveState());
      ordered = { number: (ordered?.number ?? 0) + 1, state: generator.saveState(), length, memory };
      thread.post(ordered);
      return { data, shape };
    },
  };
}

/** @returns nothing where it is not drawn yet, or was drawn from another state or in another length. */
function takeDrawn({ number, state, length, memory }: NoiseOrder, wanted: number, generator: Resumable) {
  const isDrawn = Atomics.load(new Int32Array(memory.drawn), 0) === number;
  if (!isDrawn || length !== wanted || Buffer.compare(state, generator.saveState()) !== 0) return undefined;
  generator.loadState(new Uint8Array(memory.stateAfter));
  return new Float32Array(memory.noise).slice(); // the next order writes over it
}

const memoryFor = (length: number, state: Uint8Array): NoiseOrder["memory"] => ({
  drawn: new SharedArrayBuffer(4),
  noise: new SharedArrayBuffer(4 * length),
  stateAfter: new SharedArrayBuffer(state.length),
});

class Thread {
  readonly #entry: URL;
  #worker: Worker | undefined;
  #failure: string | undefined;

  constructor(entry: URL) {
    this.#entry = entry;
  }

  /** @throws {StageError} the thread has failed. */
  post(order: NoiseOrder): void {
    if (this.#failure !== undefined) throw threadFailure("The thread that draws noise", this.#failure);
    this.#worker ??= startThread(this.#entry, (why) => (this.#failure ??= why));
    this.#worker.postMessage(order);
  }

  async end(): Promise<void> {
    await this.#worker?.terminate();
  }
}
