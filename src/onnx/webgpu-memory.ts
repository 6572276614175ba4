/**
 * @module onnx/webgpu-memory
 * How much of a card's memory the buffers of a lowered graph take on onnxruntime's WebGPU provider, weights apart.
 *
 * The provider rounds buffers up to a table of sizes and keeps dead ones of these sizes for later; larger ones go back.
 * Neither happens at once: a dead buffer can be had again only after the next submission, and a submission is made every
 * 16 dispatches. What goes back is free when the card is done with it. So a large map's successors stand beside it.
 * Source: onnxruntime, `core/providers/webgpu/buffer_manager.cc` and `webgpu_context.cc`. Which kernels make a copy for
 * themselves, and how late the card is, is fitted to runs at full size on one NVIDIA H200 (docs/memory.md).
 */

import type { Graph, Node } from "./graph.ts";
import { planBuffers, valueBytes } from "./memory.ts";

const MiB = 2 ** 20;

/** Sizes that are kept, bytes, and how many dead buffers of each. */
const kept: ReadonlyMap<number, number> = new Map([
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
const sizes = [...kept.keys()];

const roundUp = (bytes: number): number => sizes.find((size) => size >= bytes) ?? bytes;

const DISPATCHES_PER_SUBMISSION = 16;
/** Submissions that the card is behind: what went back is free only then. Of 0 to 3, 2 comes nearest. */
const LATE_SUBMISSIONS = 2;
/** The second run starts with what the first one kept; later ones are like it. */
const RUNS = 2;

/** @returns bytes: the most that buffers of inputs, values, outputs and kernels' own copies take, with what is kept. */
export function webgpuBufferBytes(graph: Graph): number {
  const { order, buffers } = planBuffers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const cache = new BufferCache();
  for (let run = 0; run < RUNS; run++) {
    const left = new Map<object, number>();
    const made = new Map<object, number>();
    const ofCaller = graph.inputs.map((input) => cache.take(valueBytes(input)));
    for (const node of order) {
      const own = buffers.get(node.output.name);
      if (own && !made.has(own)) {
        made.set(own, cache.take(own.bytes));
        left.set(own, own.uses);
        if (outputs.has(node.output.name)) ofCaller.push(made.get(own) ?? 0);
      }
      runNode(node, cache);
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

/** Takes a node's own copies, one dispatch for each and for the node itself. */
function runNode(node: Node, cache: BufferCache): void {
  if (node.op === "Reshape" || node.op === "Identity") return;
  const copies = copiesOf(node).map((value) => {
    const bytes = cache.take(valueBytes(value));
    cache.dispatch();
    return bytes;
  });
  if (node.op === "InstanceNormalization") cache.dispatch(); // sums, then the result
  cache.dispatch();
  for (const bytes of copies) cache.giveBack(bytes);
}

/** A convolution's input, kernel and result are laid out with their channels last; products in blocks copy their input. */
function copiesOf({ op, inputs: [x, weight], output }: Node) {
  if (op === "com.microsoft.MatMulNBits") return x ? [x] : [];
  return op === "Conv" && x && weight ? [x, weight, output] : [];
}

/** The provider's store of buffers; all sizes in bytes. */
class BufferCache {
  peakBytes = 0;
  private bytes = 0;
  private dispatches = 0;
  /** Dead, but not yet submitted. */
  private dead: number[] = [];
  /** Given back, but the card may still use them; by submission, the oldest first. */
  private leaving: number[] = [];
  private readonly free = new Map<number, number>();

  take(asked: number): number {
    const size = roundUp(asked);
    const there = this.free.get(size) ?? 0;
    if (there > 0) this.free.set(size, there - 1);
    else this.bytes += size;
    this.peakBytes = Math.max(this.peakBytes, this.bytes);
    return size;
  }

  giveBack(size: number): void {
    this.dead.push(size);
  }

  dispatch(): void {
    if (++this.dispatches === DISPATCHES_PER_SUBMISSION) this.submit();
  }

  /** Submits, and waits for the card. */
  finish(): void {
    this.submit();
    for (const bytes of this.leaving) this.bytes -= bytes;
    this.leaving = [];
  }

  private submit(): void {
    let leaving = 0;
    for (const size of this.dead) {
      const there = this.free.get(size) ?? 0;
      if (there < (kept.get(size) ?? 0)) this.free.set(size, there + 1);
      else leaving += size;
    }
    this.dead = [];
    this.dispatches = 0;
    this.leaving.push(leaving);
    if (this.leaving.length > LATE_SUBMISSIONS) this.bytes -= this.leaving.shift() ?? 0;
  }
}
