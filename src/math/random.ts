/**
 * @module math/random
 * torch's CPU generator, draw for draw: the same seed gives the noise `torch.randn(..., generator=...)` gives.
 *
 * Source: Matsumoto and Nishimura 1998 (mt19937); Box and Muller 1958. Which bits become which number, and in which
 * order, is observed from torch 2.13 on x86-64 (DistributionTemplates.h, normal_kernel):
 * - fewer than 16 numbers: one at a time in double; a pair is computed at once and the second one is kept for later,
 *   also for a later call with another dtype;
 * - 16 and more: blocks of 16 uniforms, radius from the first 8 and angle from the last 8; when the count is no multiple
 *   of 16, the last 16 numbers are drawn anew. float32 draws all its uniforms first, float16 block by block, so their
 *   tails differ; float64 takes two words for each uniform.
 */

import { StageError, UsageError } from "../errors.ts";
import { boxMuller16, boxMuller16Double } from "./box-muller.ts";
import { roundToFloat16 } from "./half.ts";
import { createTwister, stateWords, type Twister } from "./mersenne-twister.ts";
import { elementCount, type Tensor } from "./tensor.ts";

export interface Generator {
  /**
   * Standard normal numbers, `torch.randn(shape, dtype)`.
   * @returns float32 data; with "float16" each number is one that float16 can hold.
   */
  randn(shape: readonly number[], dtype?: "float32" | "float16"): Tensor;
  /** `torch.randn(shape, dtype=torch.float64)`: another stream than float32's from 16 numbers on. */
  randn64(shape: readonly number[]): Float64Array;
  /** Everything a later process needs to go on drawing where this one stopped: see `restoreGenerator`. */
  saveState(): Uint8Array;
  /**
   * Goes on where the one stopped whose state it is. Absent: a state does not tell all that this one draws from.
   * @throws {StageError} the bytes are no such state.
   */
  readonly loadState?: (state: Uint8Array) => void;
}

/** Seeds torch takes; only the lower 32 bits count, of a negative seed those of its two's complement. */
const smallestSeed = -(2n ** 63n);
const largestSeed = 2n ** 64n - 1n;

const magic = "IFGENRN1";
const stateBytes = magic.length + 4 * stateWords + 4 + 4 + 8;

/** @throws {UsageError} the seed is no integer from -2^63 to 2^64 - 1, or a `number` too large to be exact. */
export function createGenerator(seed: bigint | number): Generator {
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    throw new UsageError(`The seed ${seed} is not an exact whole number: give an integer.`);
  }
  const exact = BigInt(seed);
  if (exact < smallestSeed || exact > largestSeed) {
    throw new UsageError(`The seed ${seed} is out of range: give an integer from ${smallestSeed} to ${largestSeed}.`);
  }
  return generatorFrom(createTwister(Number(BigInt.asUintN(32, exact))), undefined);
}

/**
 * @param state what `saveState` returned, in this process or another.
 * @throws {StageError} the bytes are no such state.
 */
export function restoreGenerator(state: Uint8Array): Generator {
  const { twister, cached } = readState(state);
  return generatorFrom(twister, cached);
}

interface State {
  readonly twister: Twister;
  readonly cached: number | undefined;
}

function readState(state: Uint8Array): State {
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  if (state.length !== stateBytes) throw brokenState(`${state.length} bytes instead of ${stateBytes}`);
  if (Buffer.from(state.subarray(0, magic.length)).toString("latin1") !== magic) throw brokenState("unknown format");

  const words = new Uint32Array(stateWords);
  let offset = magic.length;
  for (let i = 0; i < stateWords; i++, offset += 4) words[i] = view.getUint32(offset, true);
  const position = view.getUint32(offset, true);
  const hasCached = view.getUint32(offset + 4, true);
  const cached = view.getFloat64(offset + 8, true);
  if (position > stateWords || hasCached > 1 || !Number.isFinite(cached)) throw brokenState("impossible values");
  return { twister: createTwister({ words, position }), cached: hasCached === 1 ? cached : undefined };
}

function brokenState(what: string): StageError {
  return new StageError(`The saved random state cannot be read (${what}): run the earlier stages again.`);
}

function generatorFrom(firstTwister: Twister, firstCached: number | undefined): Generator {
  let twister = firstTwister;
  let cached = firstCached; // the second number of a pair drawn one at a time

  /** One number in double, the way of counts below 16. */
  function nextNormal(): number {
    if (cached !== undefined) {
      const normal = cached;
      cached = undefined;
      return normal;
    }
    const angle = 2 * Math.PI * twister.nextDouble();
    const radius = Math.sqrt(-2 * Math.log1p(-twister.nextDouble()));
    cached = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  return {
    randn(shape, dtype = "float32") {
      const data = new Float32Array(elementCount(shape));
      if (data.length < 16) for (let i = 0; i < data.length; i++) data[i] = nextNormal();
      else if (dtype === "float32") fillFloat32(data, twister);
      else fillFloat16(data, twister);
      if (dtype === "float16") roundToFloat16(data);
      return { data, shape };
    },

    randn64(shape) {
      const data = new Float64Array(elementCount(shape));
      if (data.length < 16) for (let i = 0; i < data.length; i++) data[i] = nextNormal();
      else fillFloat64(data, twister);
      return data;
    },

    saveState() {
      const { words, position } = twister.state();
      const state = new Uint8Array(stateBytes);
      const view = new DataView(state.buffer);
      state.set(Buffer.from(magic, "latin1"));
      let offset = magic.length;
      for (let i = 0; i < stateWords; i++, offset += 4) view.setUint32(offset, words[i]!, true);
      view.setUint32(offset, position, true);
      view.setUint32(offset + 4, cached === undefined ? 0 : 1, true);
      view.setFloat64(offset + 8, cached ?? 0, true);
      return state;
    },

    loadState(state) {
      ({ twister, cached } = readState(state));
    },
  };
}

function fillFloat32(data: Float32Array, twister: Twister): void {
  twister.fillFloats(data, 0, data.length);
  for (let start = 0; start + 16 <= data.length; start += 16) boxMuller16(data, start);
  if (data.length % 16 !== 0) redrawTail(data, twister);
}

function fillFloat16(data: Float32Array, twister: Twister): void {
  twister.fillFloats(data, 0, data.length - (data.length % 16));
  for (let start = 0; start + 16 <= data.length; start += 16) boxMuller16(data, start);
  if (data.length % 16 !== 0) redrawTail(data, twister);
}

function redrawTail(data: Float32Array, twister: Twister): void {
  twister.fillFloats(data, data.length - 16, data.length);
  boxMuller16(data, data.length - 16);
}

function fillFloat64(data: Float64Array, twister: Twister): void {
  for (let i = 0; i < data.length; i++) data[i] = twister.nextDouble();
  for (let start = 0; start + 16 <= data.length; start += 16) boxMuller16Double(data, start);
  if (data.length % 16 === 0) return;
  const tail = data.length - 16;
  for (let i = tail; i < data.length; i++) data[i] = twister.nextDouble();
  boxMuller16Double(data, tail);
}
