/**
 * @module pipelines/noise-worker
 * The thread of noise-thread.
 */

import { parentPort } from "node:worker_threads";
import { restoreGenerator } from "../math/random.ts";

/** Noise that is to be drawn. */
export interface NoiseOrder {
  readonly number: number;
  /** From this state of the generator on, as `saveState` gives it. */
  readonly state: Uint8Array;
  readonly length: number;
  /** What both threads see; this one writes while `drawn` is not yet the order's number. */
  readonly memory: Readonly<Record<"drawn" | "noise" | "stateAfter", SharedArrayBuffer>>;
}

const port = parentPort;
if (!port) throw new Error("this is a thread's program");

port.on("message", ({ number, state, length, memory }: NoiseOrder) => {
  const generator = restoreGenerator(state);
  new Float32Array(memory.noise).set(generator.randn([length]).data);
  new Uint8Array(memory.stateAfter).set(generator.saveState());
  Atomics.store(new Int32Array(memory.drawn), 0, number);
});
