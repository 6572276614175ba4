/**
 * @module cli/memory-report
 * `--report`: predicted against measured, stage by stage.
 */

import { rm, writeFile } from "node:fs/promises";
import { OutputError, whyNotWritten } from "../errors.ts";
import type { StageEnd } from "../executor/executor.ts";
import { draftBeside } from "../files/draft.ts";
import type { Limits, StageNeed } from "../memory/budget.ts";
import { placeOutput } from "../run/outputs.ts";

export interface MemoryReport {
  readonly limits: Limits;
  readonly stages: readonly (Omit<StageNeed, "networks"> & {
    readonly networks: StageNeed["networks"];
    readonly seconds?: number;
    readonly measured?: StageEnd["peaks"];
    /** Predicted peak / measured peak. */
    readonly ratio?: number;
    /** The same of the GPU's memory. */
    readonly gpuRatio?: number;
  })[];
}

export function memoryReport(limits: Limits, needs: readonly StageNeed[], ends: readonly StageEnd[]): MemoryReport {
  const stages = needs.map((need) => {
    const end = ends.find(({ stage }) => stage === need.stage);
    const resident = end?.peaks?.residentBytes ?? 0;
    const ofGpu = end?.peaks?.gpuBytes ?? 0;
    return {
      ...need,
      ...(end ? { seconds: Number((end.milliseconds / 1000).toFixed(3)) } : {}),
      ...(end?.peaks ? { measured: end.peaks } : {}),
      ...(resident > 0 ? { ratio: Number((need.peakBytes / resident).toFixed(3)) } : {}),
      ...(ofGpu > 0 && need.gpuBytes ? { gpuRatio: Number((need.gpuBytes / ofGpu).toFixed(3)) } : {}),
    };
  });
  return { limits, stages };
}

/** @throws {OutputError} it cannot be written. */
export async function writeMemoryReport(file: string, report: MemoryReport, overwrite: boolean): Promise<void> {
  const draft = draftBeside(file);
  try {
    await writeFile(draft, `${JSON.stringify(report, null, 2)}\n`, { flag: "wx" });
    await placeOutput(draft, file, overwrite);
  } catch (cause) {
    if (cause instanceof OutputError) throw cause;
    throw new OutputError(`the report ${file} cannot be written: ${whyNotWritten(cause)}.`, { cause });
  } finally {
    await rm(draft, { force: true });
  }
}
