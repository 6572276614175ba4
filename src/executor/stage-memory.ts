/**
 * @module executor/stage-memory
 * Predicts how much memory each stage takes, and finds the least thrift with which it fits.
 */

import { type Limits, type NetworkNeed, type StageNeed, judge } from "../plan/budget.ts";
import type { Plan, Stage, Thrift } from "../plan/plan.ts";
import { cpu } from "../onnx/lower/cpu.ts";
import { type WeightLookup, lower } from "../onnx/lower/lowering.ts";
import { graphMemory } from "../onnx/memory.ts";
import { inStrips } from "../onnx/strips.ts";
import { expandedBytes, weightModeFor } from "../onnx/weight-mode.ts";
import { elementCount } from "../math/tensor.ts";
import { type WeightEntry, type WeightTable, openWeights } from "../weights/checkpoint.ts";
import { findWeight } from "../weights/find-weight.ts";
import { isQuantized } from "../weights/quantize-checkpoint.ts";
import { listVariants, resolveVariant } from "../weights/variants.ts";
import { type StageNetwork, stageNetworks } from "./stage-networks.ts";

/** What a stage's process takes before it loads a network, measured: private, and code mapped from files. */
const PROCESS_PRIVATE_BYTES = 46e6;
const PROCESS_MAPPED_BYTES = 76e6;
/** Of a network as an object here and as the library's structures, per node. */
const NODE_BYTES = 12e3;
/** Small tensors inside the model are there four times while it is loaded: here, as bytes, parsed, as tensors. */
const CONSTANT_COPIES = 4;
/** Results and inputs outlive a step until they are collected. */
const TENSOR_COPIES = 4;
/** Of weights that are unpacked when the session is made: the float32 ones and, while they are laid out anew, a second copy. */
const EXPANDED_COPIES = 2;

/** Sizes of strips to try, largest first. */
const STRIP_BYTES = [2 ** 26, 2 ** 24];

const dtypes = { F32: "float32", F16: "float16", BF16: "bfloat16", I8: "int8" } as const;

/** @returns what each stage needs, with the thrift it was given. @throws {CheckpointError} a checkpoint is not usable. */
export async function planMemory(plan: Plan, limits: Limits): Promise<StageNeed[]> {
  const needs: StageNeed[] = [];
  for (const stage of plan.stages) needs.push(await stageNeed(plan, stage, limits));
  return needs;
}

async function stageNeed(plan: Plan, stage: Stage, limits: Limits): Promise<StageNeed> {
  const networks: NetworkNeed[] = [];
  let thrift: Thrift = {};
  for (const network of await stageNetworks(plan, stage)) {
    const weights = await storedWeights(plan, stage, network);
    const chosen = leastThrift(network, weights, limits);
    networks.push(chosen.need);
    thrift = mergeThrift(thrift, chosen.own);
  }
  const privateBytes = Math.max(...networks.map((need) => need.privateBytes));
  const peakBytes = Math.max(...networks.map((need) => need.peakBytes));
  return {
    stage: stage.name,
    networks,
    thrift,
    privateBytes,
    peakBytes,
    verdict: judge(privateBytes, peakBytes, limits),
  };
}

/** The table of the weights that will be run on, also where they are yet to be made 8-bit. */
async function storedWeights(plan: Plan, stage: Stage, { folder, published }: StageNetwork): Promise<WeightTable> {
  const variants = await listVariants(folder);
  const eightBit = stage.name === "text-encoding" && plan.textEncoderCache !== undefined;
  if (!eightBit || variants.includes("8bit")) {
    return openWeights(folder, await resolveVariant(folder, eightBit ? "8bit" : plan.variant, published));
  }
  const table = await openWeights(folder, await resolveVariant(folder, plan.variant, published));
  const tensors = [...table.tensors].map(([name, entry]): [string, WeightEntry] => {
    if (!isQuantized(name, entry.shape))
      return [name, { ...entry, dtype: "F16", byteLength: 2 * elementCount(entry.shape) }];
    return [name, { ...entry, dtype: "I8", byteLength: elementCount(entry.shape) }];
  });
  return { ...table, tensors: new Map(tensors) };
}

/** The first way that fits; else the first whose private memory does; else the one that takes least. */
function leastThrift(network: StageNetwork, weights: WeightTable, limits: Limits): { own: Thrift; need: NetworkNeed } {
  const tried: { own: Thrift; need: NetworkNeed }[] = [];
  for (const own of thrifts(network)) {
    const need = networkNeed(network, weights, own);
    if (judgeNetwork(need, limits) === "fits") return { own, need };
    tried.push({ own, need });
  }
  const byNeed = tried.toSorted((a, b) => a.need.privateBytes - b.need.privateBytes);
  const chosen = tried.find(({ need }) => judgeNetwork(need, limits) === "from disk") ?? byNeed[0];
  if (!chosen) throw new Error(`${network.name} has no way to run`);
  return chosen;
}

const judgeNetwork = (need: NetworkNeed, limits: Limits): StageNeed["verdict"] =>
  judge(need.privateBytes, need.peakBytes, limits);

/** From none to the most: fewer samples at a time, then strips. */
function thrifts({ batch, strips }: StageNetwork): Thrift[] {
  const divisors = Array.from({ length: batch - 1 }, (_, index) => batch - 1 - index).filter((d) => batch % d === 0);
  return [
    {},
    ...divisors.map((maxBatch) => ({ maxBatch })),
    ...(strips ? STRIP_BYTES.map((stripBytes) => ({ stripBytes })) : []),
  ];
}

function mergeThrift(a: Thrift, b: Thrift): Thrift {
  const maxBatch = Math.min(a.maxBatch ?? Infinity, b.maxBatch ?? Infinity);
  const stripBytes = b.stripBytes ?? a.stripBytes;
  return {
    ...(Number.isFinite(maxBatch) ? { maxBatch } : {}),
    ...(stripBytes === undefined ? {} : { stripBytes }),
  };
}

export function networkNeed(network: StageNetwork, weights: WeightTable, thrift: Thrift): NetworkNeed {
  const whole = network.build(thrift.maxBatch ?? network.batch);
  const graph = thrift.stripBytes === undefined ? whole : inStrips(whole, thrift.stripBytes);
  const expanded = weightModeFor(whole) === "expanded";
  const memory = graphMemory(lower(graph, lookUpSizes(weights, expanded), cpu));
  const unpacked = expanded ? EXPANDED_COPIES * expandedBytes(whole) : 0;
  const tensors = TENSOR_COPIES * (network.batch / (thrift.maxBatch ?? network.batch)) * tensorBytes(memory);
  const overheadBytes =
    PROCESS_PRIVATE_BYTES +
    PROCESS_MAPPED_BYTES +
    memory.nodes * NODE_BYTES +
    CONSTANT_COPIES * memory.constantBytes +
    tensors +
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

const tensorBytes = ({ inputBytes, outputBytes }: { inputBytes: number; outputBytes: number }): number =>
  inputBytes + outputBytes;

/**
 * Weights by their entries in the table; int8 rows get scales of the right size and no value.
 * @param expanded they will be float32 before the first run.
 */
function lookUpSizes(weights: WeightTable, expanded: boolean): WeightLookup {
  return (wanted, shape, aliases) => {
    const older = weights.tensors.has(wanted) ? undefined : aliases.find((alias) => weights.tensors.has(alias));
    const { name, file, offset, byteLength, ...entry } = findWeight(weights, older ?? wanted, shape);
    const dtype = expanded ? "float32" : dtypes[entry.dtype as keyof typeof dtypes];
    const rowScales = dtype === "int8" ? { rowScales: new Float32Array(shape[0] ?? 0) } : {};
    return { name, dtype, shape: entry.shape, file, offset, byteLength, ...rowScales };
  };
}
