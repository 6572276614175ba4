/**
 * @module run/fit-memory
 * What each stage needs against what it may have: low-memory modes where they have to be, and stages that the GPU has no
 * room for moved to the CPU.
 */

import { type ReadGpus, readNvidiaGpus } from "../executor/probe.ts";
import { countCores } from "../machine/cores.ts";
import { readAvailableMemory } from "../machine/hardware.ts";
import { type Limits, type StageNeed, chooseLimits, overruns } from "../memory/budget.ts";
import { gigabytes } from "../memory/bytes.ts";
import { chooseJobsAtOnce } from "../memory/jobs-at-once.ts";
import { isSlower, predictStages } from "../memory/predict-stages.ts";
import { chooseProcesses } from "../memory/stage-processes.ts";
import type { LowMemory, Plan } from "../plan/plan.ts";
import type { Budgets, LowMemoryModes } from "./settings.ts";

export interface FittedPlan {
  readonly plan: Plan;
  readonly needs: readonly StageNeed[];
  readonly limits: Limits;
}

type PlacedPlan = Omit<Plan, "lowMemory" | "jobsAtOnce" | "processes" | "ahead" | "loadedAhead">;

/**
 * Does not throw when a stage is too large: memory/budget's checkBudget does.
 * @param resumed the modes of the run that is gone on with.
 * @param keepsNetworks do processes stay for later runs? There is one of each stage then.
 * @param readGpus how much of their memory is free; NVIDIA's tool is asked if absent.
 */
export async function fitMemory(
  placed: PlacedPlan,
  budgets: Budgets,
  resumed: LowMemoryModes | undefined,
  keepsNetworks = false,
  readGpus?: ReadGpus,
): Promise<FittedPlan> {
  const limits = await readLimits(placed, budgets, readGpus);
  const { plan, needs: alone } = await offTooSmallGpu(placed, limits);
  const { jobsAtOnce, needs: inOne } = await chooseJobsAtOnce(plan, alone, limits);
  const { processes, needs } = keepsNetworks
    ? { processes: {}, needs: inOne }
    : chooseProcesses(plan, inOne, limits, countCores());
  const chosen = needs.filter((need) => Object.keys(need.lowMemory).length > 0);
  const lowMemory = resumed ?? Object.fromEntries(chosen.map((need) => [need.stage, need.lowMemory]));
  const slower = resumed ? [] : needs.filter((need) => isSlower(need.lowMemory));
  const notes = [...plan.notes, ...(slower.length > 0 ? [describeModes(slower)] : [])];
  const early = stagesAhead(plan, needs, limits);
  const inSeveral = Object.keys(processes).length > 0 ? { processes } : {};
  return { plan: { ...plan, lowMemory, jobsAtOnce, ...inSeveral, ...early, notes }, needs, limits };
}

/** What is free now, on the chosen GPU too where that can be asked and nothing else was said. */
async function readLimits(placed: PlacedPlan, budgets: Budgets, readGpus?: ReadGpus): Promise<Limits> {
  const { shares = { ram: 1, vram: 1 } } = budgets;
  const { vramBytes, ...limits } = await readFree(placed, budgets, shares.ram, readGpus);
  return { ...limits, vramBytes: Math.floor(vramBytes / shares.vram) };
}

async function readFree(
  { gpuStages, provider }: PlacedPlan,
  { ram, vram, budget, held = () => ({ ram: 0, vram: 0 }) }: Budgets,
  workers: number,
  readGpus?: ReadGpus,
): Promise<Limits> {
  const [available, beside] = [readAvailableMemory(), held()];
  const limits = chooseLimits({ ...available, bytes: available.bytes + beside.ram }, { ram, vram, budget }, workers);
  if (Object.keys(gpuStages).length === 0) return limits;
  const unused = (await readNvidiaGpus(readGpus))?.[provider.deviceId ?? 0]?.freeBytes;
  if (unused === undefined) return limits;
  const vramFreeBytes = unused + beside.vram;
  const least = budget === "machine" ? vramFreeBytes : Math.min(vramFreeBytes, limits.vramBytes);
  return { ...limits, vramFreeBytes, vramBytes: vram ?? least };
}

/** Stages that nobody insisted on having on the GPU go to the CPU if they do not fit there. */
async function offTooSmallGpu(
  placed: PlacedPlan,
  limits: Limits,
): Promise<{ plan: PlacedPlan; needs: readonly StageNeed[] }> {
  const needs = await predictStages(placed, limits);
  const tooLarge = needs.filter((need) => overruns(need, limits));
  if (tooLarge.length === 0 || placed.provider.requested !== "auto") return { plan: placed, needs };
  const left = Object.entries(placed.gpuStages).filter(([name]) => tooLarge.every(({ stage }) => stage !== name));
  const names = tooLarge.map(({ stage, gpuBytes = 0 }) => `${stage} (${gigabytes(gpuBytes)} GB, predicted)`).join(", ");
  const note = `${gigabytes(limits.vramBytes)} GB of GPU memory are too little, so these stages run on the CPU: ${names}.`;
  const moved = { ...placed, gpuStages: Object.fromEntries(left), notes: [...placed.notes, note] };
  return { plan: moved, needs: await predictStages(moved, limits) };
}

/**
 * A GPU stage is there sooner if its process, its kernels and its weights are ready when the stage before ends. Where there
 * is no room for its first run as well, it is loaded alone. On the CPU the two would only take each other's time. Begun two stages
 * earlier, it takes from the one between what it gains (docs/notebook/cuda.md).
 */
function stagesAhead(
  { gpuStages }: PlacedPlan,
  needs: readonly StageNeed[],
  limits: Limits,
): Pick<Plan, "ahead" | "loadedAhead"> {
  const early = needs.flatMap((need, index) => {
    const before = needs[index - 1];
    if (!before || gpuStages[need.stage] === undefined || !fitTogether(before, asLoaded(need), limits)) return [];
    return [{ stage: need.stage, isWarm: fitTogether(before, need, limits) }];
  });
  const loadedAhead = early.filter(({ isWarm }) => !isWarm).map(({ stage }) => stage);
  return { ahead: early.map(({ stage }) => stage), ...(loadedAhead.length > 0 ? { loadedAhead } : {}) };
}

const asLoaded = (need: StageNeed): StageNeed =>
  need.gpuLoadedBytes === undefined ? need : { ...need, gpuBytes: need.gpuLoadedBytes };

/**
 * Of the GPU memory of two stages: 14.8 GB were measured where 14.5 were predicted. One that finds too little left ends the run, where
 * it could have waited.
 */
const TOGETHER_SHARE = 1.03;

/** Weights that one of them maps may lie in memory as far as they fit beside what both hold. */
function fitTogether(a: StageNeed, b: StageNeed, { ramBytes, vramBytes }: Limits): boolean {
  const ram = Math.max(a.peakBytes + b.privateBytes, a.privateBytes + b.peakBytes);
  const [first = 0, second = 0] = [a.gpuBytes, b.gpuBytes];
  const gpu = first > 0 ? TOGETHER_SHARE * (first + second) : second;
  return ram <= ramBytes && gpu <= vramBytes;
}

function describeModes(needs: readonly StageNeed[]): string {
  const stages = needs.map(({ stage, lowMemory }) => `${stage}: ${wordsOf(lowMemory).join(", ")}`);
  return `To fit the memory budget, these stages run in a slower low-memory mode: ${stages.join("; ")}.`;
}

const wordsOf = ({ microBatch, tileBytes }: LowMemory): string[] => [
  ...(microBatch === undefined ? [] : [`micro-batches of ${microBatch}`]),
  ...(tileBytes === undefined ? [] : ["tiled decoding"]),
];
