/** Reads the golden .safetensors files, by hand: the reader under test should not check itself. */

import { readFileSync } from "node:fs";
import { float16ToFloat32 } from "../../src/math/half.ts";
import { availablePath } from "../golden.ts";

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

export interface GoldenTensors {
  readonly names: readonly string[];
  has(name: string): boolean;
  shape(name: string): number[];
  /** F32 and F16 as float32. */
  floats(name: string): Float32Array;
  doubles(name: string): Float64Array;
}

export function readGoldenTensors(...path: string[]): GoldenTensors {
  const file = readFileSync(availablePath(...path));
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + headerBytes).toString("utf8")) as Record<string, Entry>;
  const names = Object.keys(header).filter((name) => name !== "__metadata__");

  function entry(name: string): Entry {
    const found = header[name];
    if (found === undefined) throw new Error(`${path.join("/")} has no tensor ${name}`);
    return found;
  }
  function bytes(name: string): ArrayBuffer {
    const [start, end] = entry(name).data_offsets;
    return Uint8Array.from(file.subarray(8 + headerBytes + start, 8 + headerBytes + end)).buffer;
  }
  return {
    names,
    has: (name) => names.includes(name),
    shape: (name) => entry(name).shape,
    floats(name) {
      const { dtype } = entry(name);
      if (dtype === "F16") return float16ToFloat32(new Uint16Array(bytes(name)));
      if (dtype !== "F32") throw new Error(`${name} is ${dtype}`);
      return new Float32Array(bytes(name));
    },
    doubles(name) {
      if (entry(name).dtype !== "F64") throw new Error(`${name} is ${entry(name).dtype}`);
      return new Float64Array(bytes(name));
    },
  };
}

/** The largest difference between two lists of numbers; NaN and a different length count as infinite. */
export function maxDifference(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  relative: (expected: number) => number = () => 1,
): number {
  if (actual.length !== expected.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!) / relative(expected[i]!);
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  return largest;
}
