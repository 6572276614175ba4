/**
 * @module memory/budget
 * Does each stage fit? What the stages need against what they may have, the table that says so, and the words of the
 * error when nothing helps.
 *
 * Two kinds of memory are told apart. Private: activations, unpacked weights, the process itself; it must fit. Mapped:
 * weights in their files, which the kernel drops and reads again when memory is short; it should fit too, else every
 * step reads them from the disk.
 */

import { IfGenError } from "../errors.ts";
import type { LowMemory, PlannedRun } from "../plan/plan.ts";
import type { StageName } from "../plan/stages.ts";
import { gigabytes } from "./bytes.ts";
import { budgetTable } from "./budget-table.ts";

export interface NetworkNeed {
  readonly network: string;
  /** Weights in their files. */
  readonly weightBytes: number;
  /** How much of them is mapped; the rest is unpacked when the network is loaded and counts as private. */
  readonly mappedBytes: number;
  readonly activationBytes: number;
  /** The process, the library and the provider's own structures. */
  readonly overheadBytes: number;
  /** All that is private. */
  readonly privateBytes: number;
  /** The most that is resident at one moment. */
  readonly peakBytes: number;
  /** On a GPU, predicted as memory/predict-network says: what it takes here (see `gpuBytesHere`). */
  readonly gpuBytes?: number;
  /** The same where more of it is free: it takes more than it needs. */
  readonly gpuTakesBytes?: number;
  /** Before its first run; absent: not known. */
  readonly gpuLoadedBytes?: number;
}

export interface StageNeed {
  readonly stage: StageName;
  readonly networks: readonly NetworkNeed[];
  readonly lowMemory: LowMemory;
  readonly privateBytes: number;
  /** Private and mapped: the highest that the process's resident memory gets. */
  readonly peakBytes: number;
  /** Absent: it runs on the CPU. */
  readonly gpuBytes?: number;
  /** Of it, with a network that has not run yet; absent: not known. */
  readonly gpuLoadedBytes?: number;
  /** "fits": all of it. "from disk": only what is private does. */
  readonly verdict: "fits" | "from disk" | "too large";
}

export interface Limits {
  readonly ramBytes: number;
  /** What the limit is: given, or measured. */
  readonly ramSource: string;
  readonly vramBytes: number;
  /** Of the GPU, free now; absent where it could not be asked. */
  readonly vramFreeBytes?: number;
}

/**
 * What a network takes of a GPU: all that it can use where so much is free, for onnxruntime cannot be given a limit from JavaScript. So
 * that has to be within the budget where more than the budget is free. Else it is as much as it needs.
 */
export function gpuBytesHere(
  { gpuBytes = 0, gpuTakesBytes = gpuBytes }: Pick<NetworkNeed, "gpuBytes" | "gpuTakesBytes">,
  { vramBytes, vramFreeBytes = 0 }: Limits,
): number {
  return vramFreeBytes > Math.min(vramBytes, gpuTakesBytes) ? gpuTakesBytes : gpuBytes;
}

/** A free Colab machine, with a margin. */
export const COLAB = { ramBytes: 13e9, vramBytes: 15e9 } as const;

export function judge(
  privateBytes: number,
  peakBytes: number,
  { ramBytes, vramBytes }: Limits,
  gpuBytes = 0,
): StageNeed["verdict"] {
  if (gpuBytes > vramBytes) return "too large";
  if (peakBytes <= ramBytes) return "fits";
  return privateBytes <= ramBytes ? "from disk" : "too large";
}

/** What of a plan decides which advice applies. */
type Advised = Pick<PlannedRun, "numImages" | "variant" | "textEncoder" | "unet" | "stages">;

/** @throws {IfGenError} MEMORY_BUDGET, with the table, when a stage is too large whatever is tried. */
export function checkBudget(needs: readonly StageNeed[], limits: Limits, plan: Advised): void {
  const first = needs.find(({ verdict }) => verdict === "too large");
  if (!first) return;
  const smaller = [
    ...(plan.numImages > 1 ? ["ask for fewer --num-images"] : []),
    ...(plan.variant === "fp32" ? ["leave out --variant fp32"] : []),
    ...smallerBits(first, plan),
  ];
  const [amount, rest] = overruns(first, limits)
    ? [
        `${gigabytes(first.gpuBytes ?? 0)} GB of GPU memory (predicted) but the budget is ${gigabytes(limits.vramBytes)} GB`,
        ["give a larger --vram-budget", `or run it on the CPU (${onCpu(first, plan)})`],
      ]
    : [
        `${gigabytes(first.privateBytes)} GB of memory but the budget is ${gigabytes(limits.ramBytes)} GB (${limits.ramSource})`,
        ["free memory", "or give a larger --ram-budget"],
      ];
  const advice = [...smaller, ...rest].join(", ");
  throw new IfGenError("MEMORY_BUDGET", `${first.stage} needs ${amount}; ${advice}.\n${budgetTable(needs, limits)}`);
}

/** What keeps a stage off the GPU. */
const onCpu = ({ stage }: StageNeed, { stages }: Advised): string =>
  stages.find(({ name }) => name === stage)?.kind === "text"
    ? "without --text-encoder-device gpu"
    : "--execution-provider cpu";

/** A network that is large enough for fewer bits to matter. */
const LARGE_BYTES = 1e9;

function smallerBits({ stage, networks, gpuBytes }: StageNeed, { stages, textEncoder, unet }: Advised): string[] {
  const isSinglePass = stages.some(({ name, kind }) => name === stage && kind === "single-pass");
  if (isSinglePass) return ["enlarge it with if-gen upscale and a smaller --tile"];
  if (networks.every(({ weightBytes }) => weightBytes < LARGE_BYTES)) return [];
  const kind = stages.find(({ name }) => name === stage)?.kind;
  if (kind === "text" && textEncoder?.bits !== 4) {
    if (!textEncoder) return ["add --text-encoder-bits 8"];
    return gpuBytes === undefined ? ["add --text-encoder-bits 4"] : []; // 4 bits are for the CPU
  }
  return kind === "diffusion" && !unet ? ["add --unet-bits 8"] : [];
}

/** Is it the GPU's memory that does not do? */
export function overruns({ gpuBytes = 0 }: StageNeed, { vramBytes }: Limits): boolean {
  return gpuBytes > vramBytes;
}

/**
 * @param available what is free now, see machine/available-memory.
 * @param requested `--ram-budget`, `--vram-budget`, `--budget`.
 * @param workers   that share it. What is free and what was asked for is divided; of a machine with more than that each worker
 *   may have what a free Colab machine has.
 */
export function chooseLimits(
  available: { readonly bytes: number; readonly source: string },
  requested: { ram?: number | undefined; vram?: number | undefined; budget?: "colab" | "machine" | undefined },
  workers = 1,
): Limits {
  const vramBytes = requested.vram ?? COLAB.vramBytes;
  const share = (bytes: number): number => Math.floor(bytes / workers);
  if (requested.ram !== undefined) return { ramBytes: share(requested.ram), ramSource: "--ram-budget", vramBytes };
  if (requested.budget === "colab") return { ramBytes: share(COLAB.ramBytes), ramSource: "--budget colab", vramBytes };
  const free = `free in this ${available.source}`;
  if (requested.budget === "machine" || share(available.bytes) <= COLAB.ramBytes) {
    return { ramBytes: share(available.bytes), ramSource: free, vramBytes };
  }
  return { ramBytes: COLAB.ramBytes, ramSource: "a free Colab machine's; more with --budget machine", vramBytes };
}
