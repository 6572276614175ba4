/**
 * @module memory/budget-table
 * What the stages need against what they may have, as a table for people.
 */

import type { LowMemory } from "../plan/plan.ts";
import type { Limits, StageNeed } from "./budget.ts";
import { gigabytes } from "./bytes.ts";

/** @returns lines: one per network, the stage's peak at its largest. */
export function budgetTable(needs: readonly StageNeed[], limits: Limits): string {
  const head = ["stage", "network", "weights", "mapped", "activations", "overhead", "peak RAM", "GPU", ""];
  const rows = needs.flatMap(({ stage, networks, lowMemory, verdict }) =>
    networks.map((need, index) => [
      index === 0 ? stage : "",
      need.network,
      ...[need.weightBytes, need.mappedBytes, need.activationBytes, need.overheadBytes].map(gigabytes),
      gigabytes(need.peakBytes),
      need.gpuBytes === undefined ? "-" : gigabytes(need.gpuBytes),
      index === 0 ? describeVerdict(verdict, lowMemory) : "",
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
  const onGpu = needs.some(({ gpuBytes }) => gpuBytes !== undefined);
  return [limit, line(head), ...rows.map(line), ...(onGpu ? [GPU_REMARK] : [])].join("\n");
}

const GPU_REMARK = "GPU: predicted, as measured on NVIDIA H200 (webgpu on H100 too); other GPUs were not measured.";

function describeVerdict(verdict: StageNeed["verdict"], { microBatch, tileBytes }: LowMemory): string {
  const measures = [
    ...(microBatch === undefined ? [] : [`micro-batches of ${microBatch}`]),
    ...(tileBytes === undefined ? [] : ["tiled decoding"]),
  ];
  const words = { fits: "fits", "from disk": "fits, weights re-read from disk", "too large": "does not fit" }[verdict];
  return [words, ...measures].join(", ");
}
