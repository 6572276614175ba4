/**
 * @module memory/predict-network
 * Predicts how much memory one network takes, from the graphs that are opened to run it and the table of its weights. On the
 * CPU as measured to be right; on a GPU as its provider's memory model says (onnx/lower/providers).
 */

import { sum } from "../math/statistics.ts";
import { inBlockedLayout } from "../onnx/blocked-layout.ts";
import type { Graph } from "../onnx/graph.ts";
import { cpu } from "../onnx/lower/cpu/cpu.ts";
import { lower } from "../onnx/lower/lower.ts";
import { lowerFor, providers, schedulingThreadsFor } from "../onnx/lower/providers.ts";
import type { StoredTensor, WeightLookup } from "../onnx/lower/rewriting.ts";
import { type GraphMemory, graphMemory, valueBytes } from "../onnx/memory.ts";
import { expandedBytes } from "../onnx/weight-mode.ts";
import { type PreparedNetwork, prepareNetwork } from "../networks/prepare-network.ts";
import type { StageNetwork } from "../networks/stage-networks.ts";
import type { LowMemory } from "../plan/plan.ts";
import type { WeightEntry, WeightTable } from "../weights/checkpoint.ts";
import { findStored } from "../weights/find-weight.ts";
import type { NetworkNeed } from "./budget.ts";
import type { ExecutionProvider } from "../onnx/lower/provider-names.ts";

/** What a stage's process takes before it loads a network, measured: private, and code mapped from files. */
export const PROCESS_PRIVATE_BYTES = 46e6;
const PROCESS_MAPPED_BYTES = 76e6;
/** Of it the image library, and private memory that comes with it: the text encoder's process loads none. */
const IMAGE_CODE_BYTES = 17e6;
/** Of a network as an object here and as the library's structures, per node. */
const NODE_BYTES = 12e3;
/** Small tensors inside the model are there four times while it is loaded: here, as bytes, parsed, as tensors. */
const CONSTANT_COPIES = 4;
/** Results and inputs outlive a step until they are collected. */
const TENSOR_COPIES = 4;
/** A thread in which steps are taken, with what it has not collected yet: 85 to 150 MB were measured with images of 256 px. */
const THREAD_BYTES = 0.12e9;
/** Of whole images that are drawn in tiles: 2 were measured, of an image of 4096 x 4096. */
const IMAGE_COPIES = 3;
/** Of weights that are unpacked when the session is made: the float32 ones and, while they are laid out anew, a second copy. */
const EXPANDED_COPIES = 2;
/** What onnxruntime's arena takes beside the buffers that are in use, where it keeps them: 2 to 30 % were measured. */
const ARENA_SHARE = 0.25;

/** @throws {CheckpointError} the weights do not belong to the network. */
export function predictNetwork(
  network: StageNetwork,
  weights: WeightTable,
  lowMemory: LowMemory,
  provider: ExecutionProvider,
): NetworkNeed {
  const prepared = prepareNetwork(network, weights, { provider, ...lowMemory });
  return !providers[provider].isCpu ? onGpu(network, prepared, weights) : onCpu(network, prepared, weights);
}

function onCpu(network: StageNetwork, prepared: PreparedNetwork, weights: WeightTable): NetworkNeed {
  const expanded = prepared.weightMode === "expanded";
  const lookUp = lookUpSizes(weights, expanded);
  const measure = (graph: Graph): GraphMemory => {
    const lowered = lower(graph, lookUp, cpu);
    return graphMemory(expanded && !prepared.tiled ? inBlockedLayout(lowered) : lowered); // tiles keep their order
  };
  const rest = measure(prepared.parts?.rest ?? prepared.graph);
  const once = prepared.parts ? measure(prepared.parts.once) : undefined;
  const parts = once ? [rest, once] : [rest];
  const activationBytes = Math.max(rest.peakBytes, once?.peakBytes ?? 0);
  const overheadBytes =
    processBytes(network) +
    NODE_BYTES * sum(parts.map(({ nodes }) => nodes)) +
    CONSTANT_COPIES * sum(parts.map(({ constantBytes }) => constantBytes)) +
    tensorBytes(prepared) +
    imageBytes(network, prepared) +
    (expanded && prepared.parts ? ARENA_SHARE * activationBytes : 0) +
    (expanded ? EXPANDED_COPIES * expandedBytes(prepared.graph) : 0);
  const privateBytes = overheadBytes + activationBytes;
  const mappedBytes = expanded ? 0 : sum(parts.map(({ touchedBytes }) => touchedBytes));
  const readsOnce = network.runsOnce && prepared.microBatches === 1 && !expanded;
  const firstRunBytes = Math.max(once?.firstRunBytes ?? 0, (once?.touchedBytes ?? 0) + rest.firstRunBytes);
  return {
    network: network.name,
    weightBytes: sum(parts.map(({ fileBytes }) => fileBytes)),
    mappedBytes,
    activationBytes,
    overheadBytes,
    privateBytes,
    peakBytes: readsOnce ? overheadBytes + firstRunBytes : privateBytes + mappedBytes,
  };
}

const processBytes = ({ weights }: StageNetwork): number =>
  PROCESS_PRIVATE_BYTES + PROCESS_MAPPED_BYTES - (weights === "text-encoder" ? IMAGE_CODE_BYTES : 0);

/** Inputs and outputs as this process holds them: some copies, and what is computed once with what it was computed from. */
function tensorBytes({ graph, parts, microBatches }: PreparedNetwork): number {
  const hoisted = parts ? bytesOf([...parts.once.inputs, ...parts.once.outputs]) : 0;
  return microBatches * (TENSOR_COPIES * bytesOf([...graph.inputs, ...graph.outputs]) + hoisted);
}

/** Of an image that is drawn in tiles: the whole of what a tile's inputs and outputs are parts of. */
function imageBytes({ areas = 1 }: StageNetwork, { graph, microBatches }: PreparedNetwork): number {
  const featureMaps = [...graph.inputs, ...graph.outputs].filter(({ shape }) => shape.length === 4);
  return areas > 1 ? IMAGE_COPIES * microBatches * areas * bytesOf(featureMaps) : 0;
}

const bytesOf = (values: readonly Parameters<typeof valueBytes>[0][]): number => sum(values.map(valueBytes));

function onGpu(network: StageNetwork, prepared: PreparedNetwork, weights: WeightTable): NetworkNeed {
  const { graph, parts, lowering, provider, microBatches } = prepared;
  const { deviceMemory, groupsAtOnce, loading } = providers[provider];
  const lookUp = lookUpSizes(weights, false);
  const onceOnCpu =
    parts && providers[parts.onceProvider].isCpu ? graphMemory(lower(parts.once, lookUp, cpu)) : undefined;
  const opened = parts ? [parts.rest, ...(onceOnCpu ? [] : [parts.once])] : [graph];
  const onDevice = opened.map((part) => lowerFor(provider, part, lookUp, lowering).graph);
  const memories = [...onDevice.map(graphMemory), ...(onceOnCpu ? [onceOnCpu] : [])];
  const overheadBytes =
    PROCESS_PRIVATE_BYTES +
    PROCESS_MAPPED_BYTES +
    loading.bytes +
    sum(memories.map(({ nodes }) => nodes)) * NODE_BYTES +
    groupsAtOnce * TENSOR_COPIES * microBatches * bytesOf([...graph.inputs, ...graph.outputs]) +
    imageBytes(network, prepared) +
    THREAD_BYTES * schedulingThreadsFor(provider, network.denoisedJobs ?? 0) + // at most: few cores have fewer
    Math.max(
      loading.largestWeights * Math.max(...memories.map(({ largestWeightBytes }) => largestWeightBytes)),
      onceOnCpu ? onceOnCpu.peakBytes + onceOnCpu.fileBytes : 0, // its weights are not mapped while others are loaded
    );
  const device = deviceMemory?.(onDevice, lowering);
  const hoisted = parts ? bytesOf([...parts.once.inputs, ...parts.once.outputs]) : 0;
  const furtherHoisted = (microBatches - 1) * hoisted; // the prediction has one micro-batch's
  const runsAgain = !network.runsOnce || microBatches > 1;
  return {
    network: network.name,
    weightBytes: sum(memories.map(({ fileBytes }) => fileBytes)),
    mappedBytes: 0,
    activationBytes: Math.max(...memories.map((memory) => memory.valueBytes)),
    overheadBytes,
    privateBytes: overheadBytes,
    peakBytes: overheadBytes,
    gpuBytes: (device?.needsBytes ?? 0) + furtherHoisted,
    ...(device?.loadedBytes === undefined ? {} : { gpuLoadedBytes: device.loadedBytes }),
    gpuTakesBytes: (runsAgain ? (device?.takesBytes ?? 0) : (device?.needsBytes ?? 0)) + furtherHoisted,
  };
}

const dtypes = { F32: "float32", F16: "float16", BF16: "bfloat16", I8: "int8", U8: "uint8" } as const;

/**
 * Weights by their entries in the table; int8 rows get scales of the right size and no value.
 * @param expanded they will be float32 before the first run.
 */
function lookUpSizes(weights: WeightTable, expanded: boolean): WeightLookup {
  return (name, shape, aliases) => {
    const { entry, blockScales } = findStored(weights, name, shape, aliases);
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
