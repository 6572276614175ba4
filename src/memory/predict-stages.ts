/**
 * @module memory/predict-stages
 * Predicts how much memory each stage takes, and finds the mildest low-memory mode with which it fits.
 */

import type { StageNetwork } from "../networks/stage-networks.ts";
import { stageNetworks } from "../networks/stage-networks.ts";
import { expectedWeights } from "../networks/network-weights.ts";
import type { Graph } from "../onnx/graph.ts";
import { providers } from "../onnx/lower/providers.ts";
import { inTiles } from "../onnx/tiles.ts";
import { weightModeFor } from "../onnx/weight-mode.ts";
import type { LowMemory, PlacedRun, Stage } from "../plan/plan.ts";
import type { WeightTable } from "../weights/checkpoint.ts";
import { type Limits, type NetworkNeed, type StageNeed, gpuBytesHere, judge } from "./budget.ts";
import { PROCESS_PRIVATE_BYTES, predictNetwork } from "./predict-network.ts";
import { CPU, type ExecutionProvider } from "../onnx/lower/provider-names.ts";

/** Sizes of tiles to try, largest first. */
const TILE_BYTES = [2 ** 26, 2 ** 24];
/** Of a small network's, on the CPU: in tiles it is no slower than whole, and takes a quarter less memory. */
const SMALL_TILE_BYTES = 2 ** 23;

/** @returns what each stage needs, with its low-memory mode. @throws {CheckpointError} a checkpoint is not usable. */
export async function predictStages(run: PlacedRun, limits: Limits): Promise<StageNeed[]> {
  const needs: StageNeed[] = [];
  for (const stage of run.stages) needs.push(await predictStage(run, stage, limits));
  return needs;
}

/** As {@link predictStages}, one of them. */
export async function predictStage(run: PlacedRun, stage: Stage, limits: Limits): Promise<StageNeed> {
  const provider = run.gpuStages[stage.name] ?? CPU;
  const networks: NetworkNeed[] = [];
  let lowMemory: LowMemory = {};
  for (const network of await stageNetworks(run, stage)) {
    const chosen = mildestMode(network, await expectedWeights(network, run), limits, provider);
    networks.push(chosen.need);
    lowMemory = merge(lowMemory, chosen.mode);
  }
  const privateBytes = Math.max(PROCESS_PRIVATE_BYTES, ...networks.map((need) => need.privateBytes));
  const peakBytes = Math.max(PROCESS_PRIVATE_BYTES, ...networks.map((need) => need.peakBytes));
  const gpuBytes = Math.max(0, ...networks.map((need) => need.gpuBytes ?? 0));
  const gpuLoadedBytes = Math.max(0, ...networks.map((need) => need.gpuLoadedBytes ?? need.gpuBytes ?? 0));
  return {
    stage: stage.name,
    networks,
    lowMemory,
    privateBytes,
    peakBytes,
    ...(gpuBytes > 0 ? { gpuBytes, gpuLoadedBytes } : {}),
    verdict: judge(privateBytes, peakBytes, limits, gpuBytes),
  };
}

/** The first mode that fits; else the first whose private memory does; else the one that takes least. */
function mildestMode(
  network: StageNetwork,
  weights: WeightTable,
  limits: Limits,
  provider: ExecutionProvider,
): { mode: LowMemory; need: NetworkNeed } {
  const tried: { mode: LowMemory; need: NetworkNeed }[] = [];
  for (const mode of modesOf(network, provider)) {
    const predicted = predictNetwork(network, weights, mode, provider);
    const isOnGpu = predicted.gpuBytes !== undefined;
    const need = isOnGpu ? { ...predicted, gpuBytes: gpuBytesHere(predicted, limits) } : predicted;
    if (judgeNetwork(need, limits) === "fits") return { mode, need };
    tried.push({ mode, need });
  }
  const most = ({ gpuBytes = 0, privateBytes }: NetworkNeed): number => Math.max(gpuBytes, privateBytes);
  const byNeed = tried.toSorted((a, b) => most(a.need) - most(b.need));
  const chosen = tried.find(({ need }) => judgeNetwork(need, limits) === "from disk") ?? byNeed[0];
  if (!chosen) throw new Error(`${network.name} has no way to run`);
  return chosen;
}

const judgeNetwork = (need: NetworkNeed, limits: Limits): StageNeed["verdict"] =>
  judge(need.privateBytes, need.peakBytes, limits, need.gpuBytes);

/** From none to the most: smaller micro-batches, then tiles. */
function modesOf({ batch, canTile, tileBytes, build }: StageNetwork, provider: ExecutionProvider): LowMemory[] {
  if (tileBytes !== undefined) return [{}, { tileBytes }];
  if (canTile && providers[provider].isCpu && isSmallAndTiled(build(1))) return [{ tileBytes: SMALL_TILE_BYTES }];
  const divisors = Array.from({ length: batch - 1 }, (_, index) => batch - 1 - index).filter((d) => batch % d === 0);
  return [
    {},
    ...divisors.map((microBatch) => ({ microBatch })),
    ...(canTile ? TILE_BYTES.map((tileBytes) => ({ tileBytes })) : []),
  ];
}

const isSmallAndTiled = (graph: Graph): boolean =>
  weightModeFor(graph) === "expanded" && inTiles(graph, SMALL_TILE_BYTES) !== graph;

function merge(a: LowMemory, b: LowMemory): LowMemory {
  const microBatch = Math.min(a.microBatch ?? Infinity, b.microBatch ?? Infinity);
  const tileBytes = b.tileBytes ?? a.tileBytes;
  return {
    ...(Number.isFinite(microBatch) ? { microBatch } : {}),
    ...(tileBytes === undefined ? {} : { tileBytes }),
  };
}

/**
 * Is it slower than the whole? Micro-batches are; tiles that a small decoder always gets are not, and nobody needs to be told.
 */
export const isSlower = ({ microBatch, tileBytes }: LowMemory): boolean =>
  microBatch !== undefined || (tileBytes !== undefined && tileBytes !== SMALL_TILE_BYTES);
