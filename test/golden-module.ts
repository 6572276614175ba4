/** The reference's inputs, outputs and intermediate values of a network: `module/<network>.safetensors`. */

import { readSafetensorsHeader, readTensor } from "../src/weights/safetensors.ts";
import { goldenPath } from "./golden.ts";

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

export interface ModuleCase {
  /** "case0", "case1", ... */
  readonly name: string;
  readonly inputs: ReadonlyMap<string, GoldenTensor>;
  readonly outputs: ReadonlyMap<string, GoldenTensor>;
  /** What sub-modules returned, by their path; only case 0 has any. */
  readonly taps: ReadonlyMap<string, GoldenTensor>;
}

/** @returns the cases of a network that are in the set in use: at least one. */
export const readModuleCases = (network: string): Promise<ModuleCase[]> =>
  readCases(goldenPath("module", `${network}.safetensors`));

/** @returns the cases in a file laid out like those: at least one. */
export async function readCases(path: string): Promise<ModuleCase[]> {
  const { tensors } = await readSafetensorsHeader(path);
  const names = new Set([...tensors.keys()].map((key) => key.slice(0, key.indexOf("."))));
  if (names.size === 0) throw new Error(`${path} holds no cases`);
  const read = async (prefix: string): Promise<Map<string, GoldenTensor>> => {
    const entries = [...tensors.values()].filter(({ name }) => name.startsWith(prefix));
    const read = await Promise.all(entries.map((entry) => readTensor(path, entry)));
    return new Map(
      entries.map(({ name, shape }, i) => [name.slice(prefix.length), { shape, data: asFeed(read[i]) }] as const),
    );
  };
  return Promise.all(
    [...names].sort().map(async (name) => ({
      name,
      inputs: await read(`${name}.in.`),
      outputs: await read(`${name}.out.`),
      taps: await read(`${name}.tap.`),
    })),
  );
}

function asFeed(data: unknown): Float32Array | BigInt64Array {
  if (data instanceof Float32Array || data instanceof BigInt64Array) return data;
  throw new Error("a golden tensor is neither float32 nor int64");
}

/** A scalar, or one number per sample -> `batch` float32 numbers. */
export function perSample(tensor: GoldenTensor | undefined, batch: number): Float32Array {
  const numbers = Array.from(tensor?.data ?? [], Number);
  if (numbers.length !== 1 && numbers.length !== batch)
    throw new Error(`${numbers.length} numbers for ${batch} samples`);
  return Float32Array.from({ length: batch }, (_, i) => numbers[numbers.length === 1 ? 0 : i] ?? Number.NaN);
}

/** @returns the largest difference of two equally long lists of numbers; NaN if there is one. */
export function maxAbsDifference(actual: ArrayLike<number> | undefined, expected: GoldenTensor | undefined): number {
  const expectedData = expected?.data;
  if (
    !actual ||
    !(expectedData instanceof Float32Array) ||
    expectedData.length === 0 ||
    actual.length !== expectedData.length
  ) {
    throw new Error(`${actual?.length} numbers, expected ${expectedData?.length}`);
  }
  return expectedData.reduce((worst, value, i) => {
    const difference = Math.abs(value - (actual[i] ?? Number.NaN));
    return difference <= worst ? worst : difference; // a NaN stays
  }, 0);
}

/** @returns the largest magnitude, at least 1: what a difference is measured against where values grow far beyond 1. */
export function magnitude(expected: GoldenTensor | undefined): number {
  return Array.from(expected?.data ?? [], Number).reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
}
