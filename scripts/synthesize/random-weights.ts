/**
 * Random weights of a scale at which activations neither vanish nor overflow: standard deviation 1/√(fan-in) for products,
 * about 1 for norms' weights, small for biases. Numbers come from one pool of normals that is read from ever other
 * places, since drawing billions afresh would take longer than writing them.
 */

import { float32ToFloat16 } from "../../src/math/half.ts";
import { elementCount } from "../../src/math/tensor.ts";
import type { TensorLayout } from "../../src/weights/safetensors-stream.ts";

/**
 * Numbers in the pool, at most: 2 MiB of float32. Writing is the kernel copying them, which is up to 2.5 times as fast out
 * of a core's own cache as out of the shared one, where 4 MiB lie.
 */
const LARGEST_POOL = 2 ** 19;
/** The int8 number that stands for one standard deviation; the row's maximum, 127, for 3.6 of them. */
const INT8_DEVIATION = 35;
/** Scaled copies of the pool that are kept. */
const KEPT_POOLS = 24;

interface Spread {
  readonly mean: number;
  readonly deviation: number;
}

export function spreadOf(name: string, shape: readonly number[]): Spread {
  const fanIn = elementCount(shape.slice(1));
  if (name === "shared.weight") return { mean: 0, deviation: 1 };
  if (/position|class_embedding$|token_embedding/.test(name)) return { mean: 0, deviation: 0.02 };
  if (name.endsWith("SelfAttention.q.weight")) return { mean: 0, deviation: 1 / Math.sqrt(fanIn * 64) }; // no 1/√K there
  if (name.endsWith("bias")) return { mean: 0, deviation: 0.01 };
  if (shape.length === 1) return { mean: 1, deviation: 0.02 };
  return { mean: 0, deviation: 1 / Math.sqrt(fanIn) };
}

/**
 * Trained transformers have a few channels whose numbers are far larger than all others, in every layer: six, up to 20 times
 * as large, in Dettmers et al. 2022 (arXiv 2208.07339) §3. Random weights have none, and are kinder to int8 activations.
 */
const OUTLIER_CHANNELS = [5, 391, 1022, 1777, 2403, 3810];

interface RandomWeightsOptions {
  /** Elements of the largest tensor: a smaller network needs a smaller pool. */
  readonly largest?: number;
  /** How many times as large T5's norms make six channels; 1 is none. */
  readonly outliers?: number;
}

/** Gives the bytes of any tensor of a checkpoint; the same seed gives the same bytes. */
export class RandomWeights {
  readonly #uniform: () => number;
  readonly #outliers: number;
  readonly #normals: Float32Array;
  readonly #pools = new Map<string, Uint8Array>();

  constructor(seed = 0, { largest = LARGEST_POOL, outliers = 1 }: RandomWeightsOptions = {}) {
    this.#uniform = mulberry32(seed);
    this.#outliers = outliers;
    const size = Math.min(LARGEST_POOL, 2 ** Math.ceil(Math.log2(Math.max(2, largest))));
    this.#normals = drawNormals(size, this.#uniform);
  }

  *bytes(name: string, { dtype, shape }: TensorLayout): Iterable<Uint8Array> {
    if (dtype === "I64") {
      const positions = BigInt64Array.from({ length: elementCount(shape) }, (_, index) => BigInt(index));
      yield new Uint8Array(positions.buffer);
      return;
    }
    if (this.#outliers !== 1 && /\.layer\.\d\.layer_norm\.weight$/.test(name)) {
      const norm = new Float32Array(elementCount(shape)).fill(1);
      for (const channel of OUTLIER_CHANNELS) norm[channel % norm.length] = this.#outliers;
      yield new Uint8Array(dtype === "F16" ? float32ToFloat16(norm).buffer : norm.buffer);
      return;
    }
    const pool = this.#pool(dtype, name, shape);
    const size = this.#normals.length;
    const elementBytes = pool.length / size;
    for (let left = elementCount(shape) * elementBytes; left > 0;) {
      const start = Math.floor(this.#uniform() * size * 0.5) * elementBytes;
      const piece = pool.subarray(start, Math.min(start + left, pool.length));
      yield piece;
      left -= piece.length;
    }
  }

  #pool(dtype: TensorLayout["dtype"], name: string, shape: readonly number[]): Uint8Array {
    const { mean, deviation } = this.#spread(dtype, name, shape);
    const key = `${dtype} ${mean} ${deviation}`;
    const existing = this.#pools.get(key);
    if (existing) return existing;
    const [oldest] = this.#pools.keys();
    if (oldest !== undefined && this.#pools.size >= KEPT_POOLS) this.#pools.delete(oldest);
    const pool = this.#encode(dtype, mean, deviation);
    this.#pools.set(key, pool);
    return pool;
  }

  #spread(dtype: TensorLayout["dtype"], name: string, shape: readonly number[]): Spread {
    if (dtype === "I8") return { mean: 0, deviation: INT8_DEVIATION };
    if (!name.endsWith(".SCB")) return spreadOf(name, shape);
    const inner = name.includes("SelfAttention.q") ? 4096 * 64 : 4096; // close enough for any size
    const top = 127 / INT8_DEVIATION / Math.sqrt(inner);
    return { mean: top, deviation: top / 50 };
  }

  #encode(dtype: TensorLayout["dtype"], mean: number, deviation: number): Uint8Array {
    const scaled = this.#normals.map((normal) => mean + deviation * normal);
    if (dtype === "F32") return new Uint8Array(scaled.buffer);
    if (dtype === "F16") return new Uint8Array(float32ToFloat16(scaled).buffer);
    if (dtype !== "I8") throw new Error(`no random weights of type ${dtype}`);
    const rounded = Int8Array.from(scaled, (value) => Math.round(Math.max(-127, Math.min(127, value))));
    return new Uint8Array(rounded.buffer);
  }
}

/** Box-Muller, both numbers of each pair. */
function drawNormals(count: number, uniform: () => number): Float32Array {
  const normals = new Float32Array(count);
  for (let at = 0; at < count; at += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    normals[at] = radius * Math.cos(angle);
    normals[at + 1] = radius * Math.sin(angle);
  }
  return normals;
}

/** 32 bits of state are plenty here, and the same numbers come everywhere. Tommy Ettinger's mulberry32. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
