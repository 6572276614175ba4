/** In how many processes a stage draws, and what it then needs. */

import { expect, test } from "vitest";
import type { StageNeed } from "../../src/memory/budget.ts";
import { chooseProcesses, processesFor } from "../../src/memory/stage-processes.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { planOf } from "../plan/plan-of.ts";

const needOf = (stage: StageNeed["stage"], more: Partial<StageNeed> = {}): StageNeed => ({
  stage,
  networks: [
    {
      network: "UNet",
      weightBytes: 3e8,
      mappedBytes: 0,
      activationBytes: 6e8,
      overheadBytes: 1e8,
      privateBytes: 8e8,
      peakBytes: 10e8,
    },
  ],
  lowMemory: {},
  privateBytes: 8e8,
  peakBytes: 10e8,
  verdict: "fits",
  ...more,
});

const needs = (["text-encoding", "stage-1", "stage-2"] as const).map((name) => needOf(name));
const limitsOf = (ramBytes: number) => ({ ramBytes, ramSource: "--ram-budget", vramBytes: 0 });
const planFor = (jobs: number, more: Partial<Plan> = {}): Plan => {
  const plan = planOf({});
  return { ...plan, jobs: Array.from({ length: jobs }, () => plan.jobs[0]!), ...more };
};
const choose = (plan: Plan, ramBytes = 13e9, cores = 2, ofStages = needs) =>
  chooseProcesses(plan, ofStages, limitsOf(ramBytes), cores);

test("stages that denoise draw in a process for each core", () => {
  const { processes, needs: together } = choose(planFor(16));
  expect(processes).toEqual({ "stage-1": 2, "stage-2": 2 });
  expect(together[0]).toEqual(needs[0]);
  expect(together[1]).toMatchObject({ privateBytes: 16e8, peakBytes: 18e8, lowMemory: {}, verdict: "fits" });
  expect(together[1]?.networks[0]).toMatchObject({
    weightBytes: 3e8,
    mappedBytes: 0,
    activationBytes: 12e8,
    overheadBytes: 2e8,
    privateBytes: 16e8,
    peakBytes: 18e8,
  });
});

test.each([
  [1, 1],
  [7, 1],
  [8, 2],
  [15, 3],
  [16, 4],
  [64, 4],
])("%i jobs: %i processes of at most four", (jobs, processes) => {
  expect(processesFor(jobs, 4)).toBe(processes);
  expect(choose(planFor(jobs), 13e9, 16).processes["stage-1"] ?? 1).toBe(processes);
});

test("as many as the threads that were asked for", () => {
  expect(choose(planFor(16, { threads: 3 }), 13e9, 8).processes["stage-1"]).toBe(3);
  expect(choose(planFor(16, { threads: 1 })).processes).toEqual({});
});

test("as many as the memory has room for, with the libraries they map once", () => {
  expect(choose(planFor(16), 26e8, 4).processes["stage-1"]).toBe(3);
  expect(choose(planFor(16), 26e8 - 1, 4).processes["stage-1"]).toBe(2);
  const { processes, needs: alone } = choose(planFor(16), 18e8 - 1, 4);
  expect(processes).toEqual({});
  expect(alone).toEqual(needs);
});

test("one where the stage is on a GPU, computes in micro-batches, or maps its weights", () => {
  const plan = planFor(16, { gpuStages: { "stage-1": "cuda" } });
  expect(choose(plan).processes).toEqual({ "stage-2": 2 });
  const short = [
    needOf("stage-1", { lowMemory: { microBatch: 1 } }),
    needOf("stage-2", { networks: [{ ...needs[2]!.networks[0]!, mappedBytes: 1 }] }),
  ];
  expect(choose(planFor(16), 13e9, 2, short)).toEqual({ processes: {}, needs: short });
});
