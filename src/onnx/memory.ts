/**
 * @module onnx/memory
 * How much memory a lowered graph takes while it runs, to the byte: shapes and order are known beforehand, so the plan
 * onnxruntime makes of its buffers can be made here too.
 *
 * A node's output lies 1. in its input's buffer, where the operation only renames it (Reshape); 2. in the buffer of an
 * input of the same shape that nobody else needs, where the operation works in place; 3. in a dead buffer of the same
 * shape, which was kept for it; 4. in a new one. A buffer is given back after the last use of its last tenant. So
 * buffers of unpacked weights outlive their layer when a later weight has the same shape.
 * Source: onnxruntime, `PlannerImpl::ComputeSingleStreamReusePlan`, `FindReusableInput`, `FindReusableTensor`.
 */

import { executionOrder } from "./execution-order.ts";
import { sum } from "../math/statistics.ts";
import type { DType, Graph, Node, Value } from "./graph.ts";

export interface GraphMemory {
  /** Weights as they lie in their files; onnxruntime maps them, the kernel may drop and re-read them. */
  readonly fileBytes: number;
  /** The largest weight of them. */
  readonly largestWeightBytes: number;
  /** What a run reads of them: of a table that is looked up, only the rows. */
  readonly touchedBytes: number;
  /** Small tensors inside the model itself. */
  readonly constantBytes: number;
  /** The most that is allocated at one moment of a run: activations, unpacked weights, an operation's scratch. */
  readonly peakBytes: number;
  /** The most that is allocated and mapped at one moment of the first run, when weights are mapped one after the other. */
  readonly firstRunBytes: number;
  /** The most that values take at one moment, without any scratch: what does not depend on the device's kernels. */
  readonly valueBytes: number;
  /** Of the peak, the operation's scratch. */
  readonly scratchBytes: number;
  /** Where in the network the peak is. */
  readonly peakNode: string;
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly nodes: number;
}

const dtypeBytes: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int8: 1,
  uint8: 1,
  bool: 1,
};

export function valueBytes({ dtype, shape }: Value): number {
  return shape.reduce((product, side) => product * side, dtypeBytes[dtype]);
}

/**
 * Operations whose output is their first input under another shape. Feature maps are turned only around operations that a provider
 * has with the channels last: it leaves both turns out.
 */
export const renaming: ReadonlySet<string> = new Set(["Reshape", "Identity", "ToChannelsFirst", "ToChannelsLast"]);

/**
 * Operations whose kernels write over an input when nobody else needs it, and over which; sums and products do not. A
 * convolution in blocks adds its result to its fourth input.
 */
const inPlace: Readonly<Record<string, number>> = { Cast: 0, Sigmoid: 0, Softmax: 0, Tanh: 0, "nchwc.Conv": 3 };

/** A stretch of memory and how many uses of its tenants are still to come. */
export interface Buffer {
  readonly bytes: number;
  /** What it was made for: a dead buffer is given to values of the same shape, not of the same size. */
  readonly key: string;
  uses: number;
}

export function graphMemory(graph: Graph): GraphMemory {
  const { order, buffers } = planBuffers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const left = new Map<Buffer, number>();
  const live = new Set<Buffer>();
  const weights = new Map(graph.fileWeights.map(({ value }) => [value.name, value]));
  let [now, held, peak, scratchAtPeak, touched, firstRun] = [0, 0, 0, 0, 0, 0];
  let peakNode = "";
  for (const buffer of new Set(buffers.values())) left.set(buffer, buffer.uses);
  for (const node of order) {
    const outputBuffer = buffers.get(node.output.name);
    if (outputBuffer && !live.has(outputBuffer)) {
      live.add(outputBuffer);
      now += outputBuffer.bytes;
    }
    held = Math.max(held, now);
    const scratch = scratchBytes(node);
    for (const input of node.inputs) {
      if (!input || !weights.delete(input.name)) continue; // each is mapped once
      touched += node.op === "Gather" ? Math.min(valueBytes(input), valueBytes(node.output)) : valueBytes(input);
    }
    firstRun = Math.max(firstRun, touched + now + scratch);
    if (now + scratch > peak) [peak, scratchAtPeak, peakNode] = [now + scratch, scratch, node.name];
    const release = (value: Value | null): void => {
      const buffer = value && buffers.get(value.name);
      if (!buffer || outputs.has(value.name)) return;
      const remaining = (left.get(buffer) ?? 0) - 1;
      left.set(buffer, remaining);
      if (remaining === 0 && live.delete(buffer)) now -= buffer.bytes;
    };
    for (const input of node.inputs) release(input);
  }
  return {
    fileBytes: sum(graph.fileWeights.map(({ byteLength }) => byteLength)),
    largestWeightBytes: Math.max(0, ...graph.fileWeights.map(({ byteLength }) => byteLength)),
    constantBytes: sum(graph.constants.map(({ data }) => data.byteLength)),
    touchedBytes: touched,
    peakBytes: peak,
    firstRunBytes: firstRun,
    valueBytes: held,
    scratchBytes: scratchAtPeak,
    peakNode,
    inputBytes: sum(graph.inputs.map(valueBytes)),
    outputBytes: sum(graph.outputs.map(valueBytes)),
    nodes: graph.nodes.length,
  };
}

/** @returns the nodes in the order they run, and by name the buffer in which each value lies; none for a weight's or input's. */
export function planBuffers(graph: Graph): {
  readonly order: readonly Node[];
  readonly buffers: ReadonlyMap<string, Buffer>;
} {
  const order = executionOrder(graph);
  return { order, buffers: assignBuffers(graph, order, countUses(graph)) };
}

function countUses(graph: Graph): Map<string, number> {
  const uses = new Map<string, number>();
  const add = (value: Value | null): void => {
    if (value) uses.set(value.name, (uses.get(value.name) ?? 0) + 1);
  };
  for (const { inputs } of graph.nodes) inputs.forEach(add);
  graph.outputs.forEach(add); // the caller's use: an output is never given back
  return uses;
}

/** @returns the buffer of each value that a node makes; those of inputs and weights are not onnxruntime's to plan. */
function assignBuffers(
  graph: Graph,
  order: readonly Node[],
  uses: ReadonlyMap<string, number>,
): ReadonlyMap<string, Buffer> {
  const buffers = new Map<string, Buffer>();
  const open = new Map<Buffer, number>(); // uses to come, at this point of the run
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const free: Buffer[] = []; // dead ones, the last to die last
  const join = (value: Value, buffer: Buffer): void => {
    const count = uses.get(value.name) ?? 0;
    buffers.set(value.name, buffer);
    buffer.uses += count;
    open.set(buffer, (open.get(buffer) ?? 0) + count);
  };
  for (const node of order) {
    const { output } = node;
    const key = sizeKey(output);
    const isOutput = outputs.has(output.name);
    const shared = isOutput ? undefined : reusableInput(node, buffers, open);
    const lastDead = shared === undefined && !isOutput ? free.findLastIndex((buffer) => buffer.key === key) : -1;
    const [dead] = lastDead < 0 ? [] : free.splice(lastDead, 1);
    if (shared !== null) join(output, shared ?? dead ?? { bytes: valueBytes(output), key, uses: 0 });
    for (const input of node.inputs) {
      const buffer = input && buffers.get(input.name);
      if (!buffer) continue;
      const remaining = (open.get(buffer) ?? 0) - 1;
      open.set(buffer, remaining);
      if (remaining === 0) free.push(buffer);
    }
  }
  return buffers;
}

const sizeKey = (value: Value): string => `${dtypeBytes[value.dtype]}:${value.shape.join()}`;

/** @returns null: the output shares memory that is not planned here, a weight's or an input's. */
function reusableInput(
  node: Node,
  buffers: ReadonlyMap<string, Buffer>,
  open: ReadonlyMap<Buffer, number>,
): Buffer | null | undefined {
  const [first] = node.inputs;
  if (renaming.has(node.op) && first) return buffers.get(first.name) ?? null;
  const written = node.inputs[inPlace[node.op] ?? Infinity];
  const buffer = written && buffers.get(written.name);
  return buffer && open.get(buffer) === 1 && sizeKey(written) === sizeKey(node.output) ? buffer : undefined;
}

/** What an operation allocates for itself while it runs. */
export function scratchBytes(node: Node): number {
  return scratch[node.op]?.(node) ?? 0;
}

const scratch: Readonly<Record<string, (node: Node) => number>> = {
  "com.microsoft.MultiHeadAttention": attentionScratch,
  "com.microsoft.MatMulNBits": ({ inputs: [x], output }) => 4 * (x?.shape.at(-1) ?? 0) * (output.shape.at(-1) ?? 0),
  Conv: convScratch,
};

/** Queries, keys and values head by head; with a bias also the whole matrix of scores. */
function attentionScratch(node: Node): number {
  const [q, k, v] = node.inputs;
  const bias = node.inputs[5];
  if (!q || !k || !v) return 0;
  const heads = node.attributes["num_heads"];
  const [batch = 0, queries = 0] = q.shape;
  const scores = bias && heads?.kind === "int" ? 4 * batch * heads.value * queries * (k.shape[1] ?? 0) : 0;
  return valueBytes(q) + valueBytes(k) + valueBytes(v) + scores;
}

/** Where filters outnumber pixels the image is unrolled whole; else in pieces of some kilobytes per thread. */
function convScratch(node: Node): number {
  const [, weight] = node.inputs;
  const [filters = 0, ...kernel] = weight?.shape ?? [];
  const [, , height = 0, width = 0] = node.output.shape;
  const pixels = height * width;
  if (filters <= pixels || kernel.slice(1).every((side) => side === 1)) return 0;
  return 4 * pixels * kernel.reduce((product, side) => product * side, 1);
}
