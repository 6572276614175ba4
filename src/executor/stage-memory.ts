/**
 * @module executor/stage-memory
 * Predicts how much memory each stage takes, and finds the least thrift with which it fits.
 */

import { type Limits, type NetworkNeed, type StageNeed, judge } from "../plan/budget.ts";
import type { Plan, Stage, Thrift } from "../plan/plan.ts";
import type { ExecutionProvider } from "../onnx/lower/providers.ts";
import { inTiles } from "../onnx/tiles.ts";
import { weightModeFor } from "../onnx/weight-mode.ts";
import type { WeightTable } from "../weights/checkpoint.ts";
import { networkNeed, networkNeedOnCard } from "./network-need.ts";
import { type StageNetwork, stageNetworks } from "./stage-networks.ts";
import { storedWeights } from "./stage-weights.ts";

/** Sizes of strips to try, largest first. */
const STRIP_BYTES = [2 ** 26, 2 ** 24];
/** Of a small network's, on the processor: in strips it is no slower than whole, and takes a quarter less memory. */
const SMALL_STRIP_BYTES = 2 ** 23;

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
    const provider = plan.gpuStages?.[stage.name] ?? "cpu";
    const chosen = leastThrift(network, weights, limits, provider);
    networks.push(chosen.need);
    thrift = mergeThrift(thrift, chosen.own);
  }
  const privateBytes = Math.max(...networks.map((need) => need.privateBytes));
  const peakBytes = Math.max(...networks.map((need) => need.peakBytes));
  const gpuBytes = Math.max(...networks.map((need) => need.gpuBytes ?? 0));
  return {
    stage: stage.name,
    networks,
    thrift,
    privateBytes,
    peakBytes,
    ...(gpuBytes > 0 ? { gpuBytes } : {}),
    verdict: judge(privateBytes, peakBytes, limits, gpuBytes),
  };
}

/** The first way that fits; else the first whose private memory does; else the one that takes least. */
function leastThrift(
  network: StageNetwork,
  weights: WeightTable,
  limits: Limits,
  provider: ExecutionProvider,
): { own: Thrift; need: NetworkNeed } {
  const tried: { own: Thrift; need: NetworkNeed }[] = [];
  for (const own of thrifts(network, provider)) {
    const need =
      provider === "cpu" ? networkNeed(network, weights, own) : networkNeedOnCard(network, weights, own, provider);
    if (judgeNetwork(need, limits) === "fits") return { own, need };
    tried.push({ own, need });
  }
  const most = ({ gpuBytes = 0, privateBytes }: NetworkNeed): number => Math.max(gpuBytes, privateBytes);
  const byNeed = tried.toSorted((a, b) => most(a.need) - most(b.need));
  const chosen = tried.find(({ need }) => judgeNetwork(need, limits) === "from disk") ?? byNeed[0];
  if (!chosen) throw new Error(`${network.name} has no way to run`);
  return chosen;
}

const judgeNetwork = (need: NetworkNeed, limits: Limits): StageNeed["verdict"] =>
  judge(need.privateBytes, need.peakBytes, limits, need.gpuBytes);

/** From none to the most: fewer samples at a time, then strips. */
function thrifts({ batch, strips, build }: StageNetwork, provider: ExecutionProvider): Thrift[] {
  const graph = build(1);
  const small = strips && provider === "cpu" && weightModeFor(graph) === "expanded";
  if (small && inTiles(graph, SMALL_STRIP_BYTES) !== graph) return [{ stripBytes: SMALL_STRIP_BYTES }];
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
