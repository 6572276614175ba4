/**
 * @module onnx/webgpu-memory
 * How much of a GPU's memory the buffers of a lowered graph take on onnxruntime's WebGPU provider, weights apart, in either
 * of the ways in which it is told to keep dead ones (`storageBufferCacheMode`):
 *
 * - bucket: buffers are rounded up to a table of sizes and kept for later; larger ones go back, free when the GPU is done
 *   with them. It is the provider's own way.
 * - simple: buffers keep their sizes, and all are kept for later ones of the same size. So what is taken is all that was ever
 *   taken. Small ones are parts of larger ones, halved until they fit; large ones are whole pages of the GPU.
 *
 * In both a dead buffer can be had again only after the next submission, and a submission is made every 16 dispatches: until
 * then its successor stands beside it.
 * Source: onnxruntime, `core/providers/webgpu/buffer_manager.cc` and `webgpu_context.cc`; Dawn's allocation of memory. Which
 * kernels make a copy for themselves, and how late the GPU is, is fitted to runs at full size (docs/notebook/memory.md).
 */

import { sum } from "../math/statistics.ts";
import type { Graph, Node, Value } from "./graph.ts";
import { graphMemory, planBuffers, renaming, valueBytes } from "./memory.ts";

export type BufferCacheMode = "bucket" | "simple";

const MiB = 2 ** 20;
const DISPATCHES_PER_SUBMISSION = 16;
/** The second run starts with what the first one kept; later ones are like it. */
const RUNS = 2;

/** Of a device's own memory, bytes. */
export interface DeviceMemory {
  /** With less free, a run fails. */
  readonly needsBytes: number;
  /** With more free, no more is taken. */
  readonly takesBytes: number;
  /** Before the first run. Absent: not known. */
  readonly loadedBytes?: number;
}

/**
 * By how the provider keeps buffers: what the device itself and small weights take, and what buffers take of their replay
 * (6 % below to 3 % above the latter was measured for `simple`, 2 below to 9 above for `bucket`).
 */
const calibrations = {
  bucket: { deviceBytes: 50e6, share: 1 },
  simple: { deviceBytes: 140e6, share: 1.05 },
} as const;

/** @param graphs lowered, their sessions open at once. */
export function webgpuMemory(graphs: readonly Graph[], mode: BufferCacheMode): DeviceMemory {
  const weights = graphs
    .map((graph) => graphMemory(graph))
    .map(({ fileBytes, constantBytes }) => fileBytes + constantBytes);
  const replayed = graphs.map((graph) => webgpuBufferBytes(graph, mode));
  const buffers = mode === "simple" ? sum(replayed) : Math.max(...replayed); // sizes of all are kept, or shared
  const { deviceBytes, share } = calibrations[mode];
  const needsBytes = deviceBytes + sum(weights) + share * buffers;
  return { needsBytes, takesBytes: needsBytes };
}

/** @returns bytes: the most that buffers of inputs, values, outputs and kernels' own copies take, with what is kept. */
export function webgpuBufferBytes(graph: Graph, mode: BufferCacheMode): number {
  const { order, buffers } = planBuffers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const channelsLast = new Set(
    graph.nodes.filter(({ op }) => op === "ToChannelsFirst").map(({ output }) => output.name),
  );
  const cache = new BufferCache(mode === "simple" ? allSizes : bucketSizes);
  for (let run = 0; run < RUNS; run++) {
    const left = new Map<object, number>();
    const made = new Map<object, number>();
    const ofCaller = graph.inputs.map((input) => cache.take(valueBytes(input)));
    for (const node of order) {
      const outputBuffer = buffers.get(node.output.name);
      if (outputBuffer && !made.has(outputBuffer)) {
        made.set(outputBuffer, cache.take(outputBuffer.bytes));
        left.set(outputBuffer, outputBuffer.uses);
        if (outputs.has(node.output.name)) ofCaller.push(made.get(outputBuffer) ?? 0);
      }
      runNode(node, cache, channelsLast);
      for (const input of node.inputs) {
        const buffer = input && buffers.get(input.name);
        if (!buffer || outputs.has(input.name)) continue;
        const remaining = (left.get(buffer) ?? 0) - 1;
        left.set(buffer, remaining);
        if (remaining === 0) cache.giveBack(made.get(buffer) ?? 0);
      }
    }
    cache.finish();
    for (const bytes of ofCaller) cache.giveBack(bytes);
    cache.finish();
  }
  return cache.peakBytes;
}

/**
 * Takes a node's own copies, one dispatch for each and for the node itself.
 * @param channelsLast feature maps that lie so already, though ONNX has them otherwise.
 */
function runNode(node: Node, cache: BufferCache, channelsLast: ReadonlySet<string>): void {
  if (renaming.has(node.op)) return;
  const copies = copiesOf(node, channelsLast).map((value) => {
    const bytes = cache.take(valueBytes(value));
    cache.dispatch();
    return bytes;
  });
  if (node.op === "InstanceNormalization") cache.dispatch(); // sums, then the result
  cache.dispatch();
  for (const bytes of copies) cache.giveBack(bytes);
}

/**
 * A convolution's input, kernel and result are laid out with their channels last; products in blocks copy their input,
 * fused attention its keys and values.
 */
function copiesOf(
  { op, inputs: [x, second, third], output }: Node,
  channelsLast: ReadonlySet<string>,
): readonly Value[] {
  if (!x || !second) return [];
  if (op === "com.microsoft.MatMulNBits") return [x];
  if (op === "com.microsoft.MultiHeadAttention") return third ? [second, third] : [];
  if (op !== "Conv") return [];
  return channelsLast.has(x.name) ? [second] : [x, second, output];
}

/** What a way of keeping makes of sizes; all in bytes. */
interface Sizes {
  /** Of a buffer that is asked for. */
  readonly sizeFor: (bytes: number) => number;
  /** What it takes of the GPU. */
  readonly taken: (size: number) => number;
  /** How many dead ones of a size are kept. */
  readonly kept: (size: number) => number;
}

/** Sizes are multiples of this. */
const GRAIN = 16;
/** Up to this, a buffer takes a power of two. */
const SMALL = 4 * MiB;
/** Beyond it, multiples of this. */
const PAGE = 2 * MiB;

const allSizes: Sizes = {
  sizeFor: (bytes) => Math.ceil(Math.max(1, bytes) / GRAIN) * GRAIN,
  taken: (size) => (size <= SMALL ? 2 ** Math.ceil(Math.log2(size)) : Math.ceil(size / PAGE) * PAGE),
  kept: () => Infinity,
};

/** Sizes that are kept, bytes, and how many dead buffers of each. */
const buckets: ReadonlyMap<number, number> = new Map([
  [64, 250],
  ...[128, 256, 512].map((bytes): [number, number] => [bytes, 200]),
  [2048, 230],
  [4096, 200],
  ...[13, 14, 15, 16, 17, 18, 19, 20].map((power): [number, number] => [2 ** power, 50]),
  [2 * MiB, 30],
  [4 * MiB, 20],
  ...[8, 12, 16].map((size): [number, number] => [size * MiB, 10]),
  [25 * MiB, 15],
  [32 * MiB, 22],
  [44_236_800, 2],
  [58_982_400, 6],
  ...[64, 128, 160].map((size): [number, number] => [size * MiB, 6]),
]);
const ladder = [...buckets.keys()];

const bucketSizes: Sizes = {
  sizeFor: (bytes) => ladder.find((size) => size >= bytes) ?? bytes,
  taken: (size) => size,
  kept: (size) => buckets.get(size) ?? 0,
};

/** Submissions that the GPU is behind: what went back is free only then. Of 0 to 3, 2 comes nearest. */
const LATE_SUBMISSIONS = 2;

/** The provider's store of buffers; all sizes in bytes. */
class BufferCache {
  peakBytes = 0;
  private bytes = 0;
  private dispatches = 0;
  /** Dead, but not yet submitted. */
  private dead: number[] = [];
  /** Given back, but the GPU may still use them; by submission, the oldest first. */
  private leaving: number[] = [];
  private readonly free = new Map<number, number>();
  private readonly sizes: Sizes;

  constructor(sizes: Sizes) {
    this.sizes = sizes;
  }

  take(bytes: number): number {
    const size = this.sizes.sizeFor(bytes);
    const buffers = this.free.get(size) ?? 0;
    if (buffers > 0) this.free.set(size, buffers - 1);
    else this.bytes += this.sizes.taken(size);
    this.peakBytes = Math.max(this.peakBytes, this.bytes);
    return size;
  }

  giveBack(size: number): void {
    this.dead.push(size);
  }

  dispatch(): void {
    if (++this.dispatches === DISPATCHES_PER_SUBMISSION) this.submit();
  }

  /** Submits, and waits for the GPU. */
  finish(): void {
    this.submit();
    for (const bytes of this.leaving) this.bytes -= bytes;
    this.leaving = [];
  }

  private submit(): void {
    let leaving = 0;
    for (const size of this.dead) {
      const buffers = this.free.get(size) ?? 0;
      if (buffers < this.sizes.kept(size)) this.free.set(size, buffers + 1);
      else leaving += this.sizes.taken(size);
    }
    this.dead = [];
    this.dispatches = 0;
    this.leaving.push(leaving);
    if (this.leaving.length > LATE_SUBMISSIONS) this.bytes -= this.leaving.shift() ?? 0;
  }
}
