/**
 * @module memory/stage-processes
 * In how many processes a stage on the CPU draws its jobs side by side. Threads of one network wait for each other at every
 * operation: processes with fewer threads each take less CPU time for the same images (docs/notebook/performance.md). Networks
 * whose weights are mapped unpack them in every call, so that fewer jobs in a call would take more: they stay in one process.
 */

import { CPU } from "../onnx/lower/provider-names.ts";
import type { PlacedRun, Plan, Stage } from "../plan/plan.ts";
import type { Limits, NetworkNeed, StageNeed } from "./budget.ts";
import { isSlower } from "./predict-stages.ts";

/** Each opens the network for itself. Two were measured. */
const MOST_PROCESSES = 4;
/** Of a process, at least: opening the networks takes as much CPU time as two to four jobs save. */
const LEAST_JOBS = 4;

type Processes = NonNullable<Plan["processes"]>;

/** @returns in how many processes so many jobs are drawn, if there may be `most`. */
export const processesFor = (jobs: number, most = 1): number =>
  Math.max(1, Math.min(most, Math.floor(jobs / LEAST_JOBS)));

/**
 * @param needs what each stage needs in one process.
 * @param cores that the stages' processes may use.
 * @returns the numbers that are larger than 1, and what the stages need with them.
 */
export function chooseProcesses(
  run: Pick<PlacedRun, "stages" | "gpuStages" | "jobs" | "threads">,
  needs: readonly StageNeed[],
  limits: Limits,
  cores: number,
): { readonly processes: Processes; readonly needs: readonly StageNeed[] } {
  const processes: Processes = {};
  const most = Math.min(run.threads ?? cores, MOST_PROCESSES);
  const together = needs.map((need) => {
    const stage = run.stages.find(({ name }) => name === need.stage);
    if (!stage || !gainsFromProcesses(stage, run, need)) return need;
    for (let count = processesFor(run.jobs.length, most); count > 1; count--) {
      const all = inProcesses(need, count);
      if (all.peakBytes > limits.ramBytes) continue;
      processes[need.stage] = count;
      return all;
    }
    return need;
  });
  return { processes, needs: together };
}

const gainsFromProcesses = (
  { kind, name }: Stage,
  { gpuStages }: Pick<PlacedRun, "gpuStages">,
  { verdict, lowMemory, networks }: StageNeed,
): boolean =>
  kind === "diffusion" &&
  (gpuStages[name] ?? CPU) === CPU &&
  networks.every(({ mappedBytes }) => mappedBytes === 0) &&
  verdict === "fits" &&
  !isSlower(lowMemory);

/** What is private is there once for each process; libraries that they map are there once. */
function inProcesses(need: StageNeed, count: number): StageNeed {
  const networks = need.networks.map((network): NetworkNeed => ({
    ...network,
    activationBytes: count * network.activationBytes,
    overheadBytes: count * network.overheadBytes,
    privateBytes: count * network.privateBytes,
    peakBytes: network.peakBytes + (count - 1) * network.privateBytes,
  }));
  return {
    ...need,
    networks,
    privateBytes: count * need.privateBytes,
    peakBytes: need.peakBytes + (count - 1) * need.privateBytes,
  };
}
