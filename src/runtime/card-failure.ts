/**
 * @module runtime/card-failure
 * What goes wrong on a graphics card is the driver's, the library's or the card's, and none of ours: it becomes an error
 * that says what to do instead.
 */

import { ShapeError, StageError } from "../errors.ts";
import type { Tensor } from "../math/tensor.ts";

const ADVICE = "--execution-provider cpu runs it on the processor";

/** @param what the network and the provider. @throws {StageError} `work` failed. */
export async function blamingCard<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (cause instanceof ShapeError) throw cause;
    const words = cause instanceof Error ? cause.message.replace(/\s+/g, " ").trim() : String(cause);
    throw new StageError(`${what} failed: ${words}; ${ADVICE}.`, { cause });
  }
}

/** Kernels of cards have been seen to give NaN where the processor's do not. @throws {StageError} there is such a result. */
export function checkNumbers(what: string, results: ReadonlyMap<string, Tensor>): void {
  for (const [name, { data }] of results) {
    if (data.every(Number.isFinite)) continue;
    throw new StageError(`${what} gave what is no number in ${name}; ${ADVICE}.`);
  }
}
