/**
 * @module runtime/gpu-failure
 * A failure on a GPU is the driver's, the library's or the device's: it becomes an error that names the network and says what
 * to do instead.
 */

import { ShapeError, StageError } from "../errors.ts";
import { float16ToFloat32 } from "../math/half.ts";
import type { Numbers, Tensor } from "../math/tensor.ts";

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
export function checkNumbers(what: string, results: ReadonlyMap<string, Tensor<Numbers>>): void {
  for (const [name, { data }] of results) {
    const wrong = firstNotFinite(data);
    if (wrong !== undefined) throw new StageError(`${what} produced ${wrong} in output "${name}"; ${ADVICE}.`);
  }
}

const EXPONENT = 0x7f800000; // all of its bits: infinity or NaN

/** A loop over the bits: `find` with a function takes ten times as long, at each step, for all that a network gives. */
function firstNotFinite(data: Numbers): number | undefined {
  if (data instanceof Uint16Array) return firstNotFiniteHalf(data);
  const bits = new Int32Array(data.buffer, data.byteOffset, data.length);
  for (let at = 0; at < bits.length; at++) if ((bits[at]! & EXPONENT) === EXPONENT) return data[at];
  return undefined;
}

const HALF_EXPONENT = 0x7c00;
const HALF_EXPONENTS = 0x7c007c00; // of two halves
const CARRIES = 0x04000400; // added to all bits of an exponent, the highest bit of the half is set

/** Two halves at a time: this is done while the GPU waits. */
function firstNotFiniteHalf(data: Uint16Array): number | undefined {
  const start = data.byteOffset % 4 === 0 ? 0 : 1; // then pairs begin at a whole word
  const pairs = new Int32Array(data.buffer, data.byteOffset + 2 * start, Math.max(0, data.length - start) >> 1);
  let found = 0;
  for (let at = 0; at < pairs.length; at++) found |= ((pairs[at]! & HALF_EXPONENTS) + CARRIES) | 0;
  const ends = [data[0] ?? 0, data.at(-1) ?? 0]; // they may be in no pair
  const isFinite = (found & 0x80008000) === 0 && ends.every((half) => (half & HALF_EXPONENT) !== HALF_EXPONENT);
  const wrong = isFinite ? undefined : data.find((half) => (half & HALF_EXPONENT) === HALF_EXPONENT);
  return wrong === undefined ? undefined : float16ToFloat32(Uint16Array.of(wrong))[0];
}
