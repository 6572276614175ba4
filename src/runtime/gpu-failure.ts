/**
 * @module runtime/gpu-failure
 * A failure on a GPU is the driver's, the library's or the device's: it becomes an error that names the network and says what
 * to do instead.
 */

import { ShapeError, StageError } from "../errors.ts";
import type { Tensor } from "../math/tensor.ts";

const ADVICE = "--execution-provider cpu runs it on the CPU";

/** @param what the network and the provider. @throws {StageError} `work` failed. */
export async function nameGpuFailure<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (cause instanceof ShapeError) throw cause;
    const words = cause instanceof Error ? cause.message.replace(/\s+/g, " ").trim() : String(cause);
    throw new StageError(`${what} failed: ${words}; ${ADVICE}.`, { cause });
  }
}

/** Kernels of GPUs have been seen to give NaN where the CPU's do not. @throws {StageError} a result is not finite. */
export function checkNumbers(what: string, results: ReadonlyMap<string, Tensor>): void {
  for (const [name, { data }] of results) {
    const wrong = firstNotFinite(data);
    if (wrong !== undefined) throw new StageError(`${what} produced ${wrong} in output "${name}"; ${ADVICE}.`);
  }
}

const EXPONENT = 0x7f800000; // all of its bits: infinity or NaN

/** A loop over the bits: `find` with a function takes ten times as long, at each step, for all that a network gives. */
function firstNotFinite(data: Float32Array): number | undefined {
  const bits = new Int32Array(data.buffer, data.byteOffset, data.length);
  for (let at = 0; at < bits.length; at++) if ((bits[at]! & EXPONENT) === EXPONENT) return data[at];
  return undefined;
}
