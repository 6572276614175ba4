/**
 * @module executor/network-need
 * Predicts how much memory one network takes, from its graph and the table of its weights: on the processor as measured to
 * be right, on webgpu by a replay fitted to runs on one card, on cuda as far as the graph tells.
 */

import type { Graph } from "../onnx/graph.ts";
import { hoist } from "../onnx/hoist.ts";
import { inBlockedLayout } from "../onnx/blocked-layout.ts";
import { cpu } from "../onnx/lower/cpu/cpu.ts";
import { lower } from "../onnx/lower/lower.ts";
import type { StoredTensor, WeightLookup } from "../onnx/lower/rewriting.ts";
import { type ExecutionProvider, computeTypeOf, hoistedForm, lowerings } from "../onnx/lower/providers.ts";
import { webgpuDefaults } from "../onnx/lower/webgpu/variants.ts";
import { sum } from "../math/statistics.ts";
import { graphMemory, valueBytes } from "../onnx/memory.ts";
import { inTiles } from "../onnx/tiles.ts";
import { webgpuBufferBytes } from "../onnx/webgpu-memory.ts";
import { expandedBytes, weightModeFor } from "../onnx/weight-mode.ts";
import type { NetworkNeed } from "../plan/budget.ts";
import type { Thrift } from "../plan/plan.ts";
import type { WeightEntry, WeightTable } from "../weights/checkpoint.ts";
import { findStored, hasBlocks } from "../weights/find-weight.ts";
import type { StageNetwork } from "./stage-networks.ts";

/** What a stage's process takes before it loads a network, measured: private, and code mapped from files. */
const PROCESS_PRIVATE_BYTES = 46e6;
const PROCESS_MAPPED_BYTES = 76e6;
/** Of it the image library, and private memory that comes with it: the text encoder's process loads none. */
const PICTURE_CODE_BYTES = 17e6;
/** Of a network as an object here and as the library's structures, per node. */
const NODE_BYTES = 12e3;
/** Small tensors inside the model are there four times while it is loaded: here, as bytes, parsed, as tensors. */
const CONSTANT_COPIES = 4;
/** Results and inputs outlive a step until they are collected. */
const TENSOR_COPIES = 4;
/** Of weights that are unpacked when the session is made: the float32 ones and, while they are laid out anew, a second copy. */
const EXPANDED_COPIES = 2;
/** What onnxruntime's arena takes beside the buffers that are in use, where it keeps them: 2 to 30 % were measured. */
const ARENA_SHARE = 0.25;

export function networkNeed(network: StageNetwork, weights: WeightTable, thrift: Thrift): NetworkNeed {
  const whole = network.build(thrift.maxBatch ?? network.batch);
  const graph = thrift.stripBytes === undefined ? whole : inTiles(whole, thrift.stripBytes);
  const expanded = weightModeFor(whole) === "expanded";
  const lowered = lower(graph, lookUpSizes(weights, expanded), cpu);
  const memory = graphMemory(expanded && graph === whole ? inBlockedLayout(lowered) : lowered); // strips keep their order
  const arena = expanded && network.varying ? ARENA_SHARE * memory.peakBytes : 0;
  const unpacked = expanded ? EXPANDED_COPIES * expandedBytes(whole) : 0;
  const turns = network.batch / (thrift.maxBatch ?? network.batch);
  const tensors = turns * (TENSOR_COPIES * tensorBytes(memory) + hoistedBytes(whole, network));
  const overheadBytes =
    PROCESS_PRIVATE_BYTES +
    PROCESS_MAPPED_BYTES -
    (network.name === "T5" ? PICTURE_CODE_BYTES : 0) +
    memory.nodes * NODE_BYTES +
    CONSTANT_COPIES * memory.constantBytes +
    tensors +
    arena +
    unpacked;
  const once = network.runs === "once" && network.batch === (thrift.maxBatch ?? network.batch);
  const privateBytes = overheadBytes + memory.peakBytes;
  const mappedBytes = expanded ? 0 : memory.touchedBytes;
  return {
    network: network.name,
    weightBytes: memory.fileBytes,
    mappedBytes,
    activationBytes: memory.peakBytes,
    overheadBytes,
    privateBytes,
    peakBytes: once && !expanded ? overheadBytes + memory.firstRunBytes : privateBytes + mappedBytes,
  };
}

/** What is computed once is kept, and what it was computed from. */
function hoistedBytes(graph: Graph, { varying }: StageNetwork): number {
  const once = varying && hoist(graph, varying)?.once;
  return once ? [...once.inputs, ...once.outputs].reduce((sum, value) => sum + valueBytes(value), 0) : 0;
}

/**
 * What a process has beside the rest while it loads a network onto a card. webgpu: the driver, and its largest weight once
 * or, on the slower of the machines that were measured, twice (docs/memory.md). cuda: not measured; the most that any graph
 * of these networks took on a card.
 */
const CARD_LOADING_BYTES = { webgpu: 0.12e9, cuda: 2.1e9 } as const;
const LOADED_AT_ONCE = { webgpu: 2, cuda: 0 } as const;

/**
 * By how webgpu keeps buffers: what the device itself and small weights take, and what buffers take of their replay (6 %
 * below to 3 % above the latter was measured for `simple`, 2 below to 9 above for `bucket`).
 */
const calibrations = {
  bucket: { deviceBytes: 50e6, share: 1 },
  simple: { deviceBytes: 140e6, share: 1.05 },
} as const;

/**
 * On cuda weights and values as the graph has them: not measured, scratch of kernels is not known. On webgpu the
 * provider's keeping of buffers is replayed (onnx/webgpu-memory), compared with runs of IF-I-XL, IF-II-L and the x4
 * upscaler on NVIDIA's H200 and H100 (docs/memory.md); other cards, drivers and sizes were not measured. Where samples take
 * turns, what is computed once is computed on the processor (runtime/hoisted-session).
 */
export function networkNeedOnCard(
  network: StageNetwork,
  weights: WeightTable,
  thrift: Thrift,
  provider: Exclude<ExecutionProvider, "cpu">,
): NetworkNeed {
  const whole = network.build(thrift.maxBatch ?? network.batch);
  const graph = thrift.stripBytes === undefined ? whole : inTiles(whole, thrift.stripBytes);
  const choices = webgpuDefaults[hasBlocks(weights) ? "blocks" : "stored"];
  const type = computeTypeOf(network.fitsFloat16, weights.variant);
  const lowering = lowerings[provider](type, choices);
  const lookUp = lookUpSizes(weights, false);
  const lowered = lower(graph, lookUp, lowering);
  const memory = graphMemory(lowered);
  const turns = network.batch / (thrift.maxBatch ?? network.batch);
  const form = hoistedForm(provider, type, choices);
  const hoisted = provider === "webgpu" && network.varying ? hoist(graph, network.varying, form) : undefined;
  const onCpu = hoisted && turns > 1 ? graphMemory(lower(hoisted.once, lookUp, cpu)) : undefined;
  const overheadBytes =
    PROCESS_PRIVATE_BYTES +
    PROCESS_MAPPED_BYTES +
    CARD_LOADING_BYTES[provider] +
    memory.nodes * NODE_BYTES +
    TENSOR_COPIES * turns * tensorBytes(memory) +
    Math.max(
      LOADED_AT_ONCE[provider] * memory.largestWeightBytes,
      onCpu ? onCpu.peakBytes + onCpu.fileBytes : 0, // its weights are not mapped while others are loaded
    );
  const gpuBytes = (): number => {
    if (provider === "cuda") return memory.fileBytes + memory.constantBytes + memory.valueBytes + tensorBytes(memory);
    const parts = hoisted && [hoisted.rest, ...(turns > 1 ? [] : [hoisted.once])];
    const onCard = parts?.map((part) => lower(part, lookUp, lowering)) ?? [lowered];
    const own = onCard.map((part) => graphMemory(part)).map((part) => part.fileBytes + part.constantBytes);
    const replayed = onCard.map((part) => webgpuBufferBytes(part, choices.bufferCache));
    const buffers = choices.bufferCache === "simple" ? sum(replayed) : Math.max(...replayed); // both parts' sizes are kept, or shared
    const { deviceBytes, share } = calibrations[choices.bufferCache];
    return deviceBytes + sum(own) + share * buffers + (turns - 1) * hoistedBytes(whole, network); // the replay has one turn's
  };
  return {
    network: network.name,
    weightBytes: memory.fileBytes,
    mappedBytes: 0,
    activationBytes: memory.valueBytes,
    overheadBytes,
    privateBytes: overheadBytes,
    peakBytes: overheadBytes,
    gpuBytes: gpuBytes(),
  };
}

const dtypes = { F32: "float32", F16: "float16", BF16: "bfloat16", I8: "int8", U8: "uint8" } as const;

const tensorBytes = ({ inputBytes, outputBytes }: { inputBytes: number; outputBytes: number }): number =>
  inputBytes + outputBytes;

/**
 * Weights by their entries in the table; int8 rows get scales of the right size and no value.
 * @param expanded they will be float32 before the first run.
 */
function lookUpSizes(weights: WeightTable, expanded: boolean): WeightLookup {
  return (wanted, shape, aliases) => {
    const { entry, blockScales } = findStored(weights, wanted, shape, aliases);
    const stored = storedTensor(entry);
    if (expanded) return { ...stored, dtype: "float32", shape };
    if (blockScales) return { ...stored, blockScales: storedTensor(blockScales) };
    return stored.dtype === "int8" ? { ...stored, rowScales: new Float32Array(shape[0] ?? 0) } : stored;
  };
}

const storedTensor = ({ name, dtype, shape, file, offset, byteLength }: WeightEntry): StoredTensor => ({
  name,
  dtype: dtypes[dtype as keyof typeof dtypes],
  shape,
  file,
  offset,
  byteLength,
});
