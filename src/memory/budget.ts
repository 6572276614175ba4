/**
 * @module memory/budget
 * Does each stage fit? What the stages need against what they may have, the table that says so, and the words of the
 * error when nothing helps.
 *
 * Two kinds of memory are told apart. Private: activations, unpacked weights, the process itself; it must fit. Mapped:
 * weights in their files, which the kernel drops and reads again when memory is short; it should fit too, else every
 * step reads them from the disk.
 */

import { IfGenError, UsageError } from "../errors.ts";
import type { StageName, Thrift } from "../plan/plan.ts";

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
  /** On a graphics card, predicted as memory/predict-network says: for webgpu fitted to one card, for cuda not measured. */
  readonly gpuBytes?: number;
}

export interface StageNeed {
  readonly stage: StageName;
  readonly networks: readonly NetworkNeed[];
  readonly thrift: Thrift;
  readonly privateBytes: number;
  /** Private and mapped: the highest that the process's resident memory gets. */
  readonly peakBytes: number;
  /** Absent: it runs on the processor. */
  readonly gpuBytes?: number;
  /** "fits": all of it. "from disk": only what is private does. */
  readonly verdict: "fits" | "from disk" | "too large";
}

export interface Limits {
  readonly ramBytes: number;
  /** What the limit is: given, or measured. */
  readonly ramSource: string;
  readonly vramBytes: number;
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

/** @throws {IfGenError} MEMORY_BUDGET, with the table, when a stage is too large whatever is tried. */
export function checkBudget(needs: readonly StageNeed[], limits: Limits): void {
  const worst = needs.filter(({ verdict }) => verdict === "too large");
  const [first] = worst;
  if (!first) return;
  if (overruns(first, limits)) {
    throw new IfGenError(
      "MEMORY_BUDGET",
      `${first.stage} needs ${gigabytes(first.gpuBytes ?? 0)} GB of GPU memory (predicted) but the budget ` +
        `is ${gigabytes(limits.vramBytes)} GB; ask for fewer --num-images, give a larger --vram-budget, or run it on ` +
        `the processor (--execution-provider cpu).\n${budgetTable(needs, limits)}`,
    );
  }
  throw new IfGenError(
    "MEMORY_BUDGET",
    `${first.stage} needs ${gigabytes(first.privateBytes)} GB of memory but the budget is ` +
      `${gigabytes(limits.ramBytes)} GB (${limits.ramSource}); ask for fewer --num-images, smaller weights ` +
      `(--variant fp16, --text-encoder-bits 8), free memory, or give a larger --ram-budget.\n${budgetTable(needs, limits)}`,
  );
}

/** Is it the card's memory that does not do? */
export function overruns({ gpuBytes = 0 }: StageNeed, { vramBytes }: Limits): boolean {
  return gpuBytes > vramBytes;
}

/** @returns lines: one per network, the stage's peak at its largest. */
export function budgetTable(needs: readonly StageNeed[], limits: Limits): string {
  const head = ["stage", "network", "weights", "mapped", "activations", "overhead", "peak RAM", "GPU", ""];
  const rows = needs.flatMap(({ stage, networks, thrift, verdict }) =>
    networks.map((need, index) => [
      index === 0 ? stage : "",
      need.network,
      ...[need.weightBytes, need.mappedBytes, need.activationBytes, need.overheadBytes].map(gigabytes),
      gigabytes(need.peakBytes),
      need.gpuBytes === undefined ? "-" : gigabytes(need.gpuBytes),
      index === 0 ? describeVerdict(verdict, thrift) : "",
    ]),
  );
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column < 2 || column === 8 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  const limit = `budget in GB (10^9 bytes): RAM ${gigabytes(limits.ramBytes)} (${limits.ramSource}), GPU ${gigabytes(limits.vramBytes)}`;
  const onCard = needs.some(({ gpuBytes }) => gpuBytes !== undefined);
  return [limit, line(head), ...rows.map(line), ...(onCard ? [GPU_REMARK] : [])].join("\n");
}

const GPU_REMARK =
  "GPU: predicted; webgpu as measured on NVIDIA H200 and H100, cuda from the graph alone, not measured, kernels take some beside.";

function describeVerdict(verdict: StageNeed["verdict"], { maxBatch, stripBytes }: Thrift): string {
  const measures = [
    ...(maxBatch === undefined ? [] : [`${maxBatch} at a time`]),
    ...(stripBytes === undefined ? [] : ["decoder in strips"]),
  ];
  const words = { fits: "fits", "from disk": "fits, weights re-read from disk", "too large": "does not fit" }[verdict];
  return [words, ...measures].join(", ");
}

export const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2);

const units: Readonly<Record<string, number>> = {
  "": 1,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  KI: 2 ** 10,
  MI: 2 ** 20,
  GI: 2 ** 30,
};

/** "13GB", "12.5 GiB", "800M", "13000000000" -> bytes. @throws {UsageError} it is none of these. */
export function parseBytes(text: string): number {
  const [, number, unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*([KMG]i?)?B?\s*$/i.exec(text) ?? [];
  const factor = units[unit.toUpperCase()];
  const bytes = Math.round(Number(number) * (factor ?? Number.NaN));
  if (!(bytes > 0)) throw new UsageError(`${text} is no amount of memory; write it as 13GB, 800MB or 12GiB.`);
  return bytes;
}

/**
 * @param available what is free now, see machine/available-memory.
 * @param asked     `--ram-budget`, `--vram-budget`, `--budget`.
 */
export function chooseLimits(
  available: { readonly bytes: number; readonly source: string },
  asked: { ram?: number | undefined; vram?: number | undefined; budget?: "colab" | "machine" | undefined },
): Limits {
  const vramBytes = asked.vram ?? COLAB.vramBytes;
  if (asked.ram !== undefined) return { ramBytes: asked.ram, ramSource: "--ram-budget", vramBytes };
  if (asked.budget === "colab") return { ramBytes: COLAB.ramBytes, ramSource: "--budget colab", vramBytes };
  const free = `free in this ${available.source}`;
  if (asked.budget === "machine" || available.bytes <= COLAB.ramBytes) {
    return { ramBytes: available.bytes, ramSource: free, vramBytes };
  }
  return { ramBytes: COLAB.ramBytes, ramSource: "a free Colab machine's; more with --budget machine", vramBytes };
}
