/** What a cascade on a GPU gets of its memory: nothing of it is drawn, and nvidia-smi is a script. */

import { expect, test } from "vitest";
import type { Plan } from "../../src/plan/plan.ts";
import type { FittedPlan } from "../../src/run/fit-memory.ts";
import { withNvidiaSmi } from "../executor/fake-nvidia-smi.ts";
import { importBuilt, tinySettings, tinyUntil } from "./tiny-cascade.ts";

const { completePlans } = await importBuilt<typeof import("../../src/run/complete-plans.ts")>("run/complete-plans");
const { fitMemory } = await importBuilt<typeof import("../../src/run/fit-memory.ts")>("run/fit-memory");

const [made] = await completePlans([{ ...tinyUntil(256), numImages: 8 }], tinySettings);
const placed: Plan = {
  ...made!.plan,
  provider: { requested: "cuda", name: "cuda", passedOver: [] },
  gpuStages: { "stage-1": "cuda", "stage-2": "cuda" },
};

const fitted = (vram: number): Promise<FittedPlan> =>
  fitMemory(placed, { ram: 64e9, vram: Math.ceil(vram) }, undefined);
const [, stage1, stage2] = (await fitted(64e9)).needs;
/** With what the two were measured to take more than was predicted. */
const together = (a: number, b: number): number => 1.03 * (a + b);
const [of1, of2, loaded2] = [stage1!.gpuBytes!, stage2!.gpuBytes!, stage2!.gpuLoadedBytes!];

test.each([
  [
    "both fit: the next stage is loaded and run once beside the one before",
    together(of1, of2),
    ["stage-1", "stage-2"],
    undefined,
  ],
  ["not its first run", together(of1, of2) - 2, ["stage-1", "stage-2"], ["stage-2"]],
  ["just its weights", together(of1, loaded2), ["stage-1", "stage-2"], ["stage-2"]],
  ["not even these", together(of1, loaded2) - 2, ["stage-1"], undefined],
])("%s", async (_, vram, ahead, loadedAhead) => {
  const { plan } = await fitted(vram);
  expect(plan.ahead).toEqual(ahead);
  expect(plan.loadedAhead).toEqual(loadedAhead);
});

test("what is loaded and has not run takes less", () => {
  expect(loaded2).toBeLessThan(of2);
  expect(loaded2).toBeGreaterThan(1e9); // CUDA's own
});

/** An NVIDIA GPU with so much free. */
function withFree(bytes: number): void {
  const free = Math.round(bytes / 2 ** 20);
  withNvidiaSmi(`echo "NVIDIA Test, ${free + 1000}, ${free}, 580.1, GPU-1"`);
}

test("with more free than the budget a stage is judged by all that it would take", async () => {
  withFree(100e9);
  const { needs, limits } = await fitted(15e9);
  expect(limits.vramFreeBytes).toBeCloseTo(100e9, -7);
  expect(limits.vramBytes).toBe(15e9);
  for (const { gpuBytes, networks } of needs) {
    for (const network of networks) expect(network.gpuBytes).toBe(network.gpuTakesBytes);
    expect(gpuBytes ?? 0).toBeLessThanOrEqual(15e9);
  }
});

test("what was asked before is not asked again", async () => {
  withFree(100e9);
  const gpu = { name: "NVIDIA Test", uuid: "", memoryBytes: 24e9, freeBytes: 13e9, driver: "580.1" };
  const { limits } = await fitMemory(placed, { ram: 64e9 }, undefined, false, () => Promise.resolve([gpu]));
  expect(limits.vramFreeBytes).toBe(13e9);
});

test("with less free it is judged by what it needs", async () => {
  withFree(14e9);
  const { limits } = await fitMemory(placed, { ram: 64e9 }, undefined);
  expect(limits.vramBytes).toBeCloseTo(14e9, -7);
  expect(limits.vramFreeBytes).toBe(limits.vramBytes);
});

test("so many jobs are drawn at once as are sure to stay within the budget", async () => {
  const request = tinyUntil(64);
  const requests = Array.from({ length: 16 }, (_, seed) => ({ ...request, seed }));
  const [many] = await completePlans(requests, tinySettings);
  const jobs: Plan = { ...many!.plan, provider: placed.provider, gpuStages: { "stage-1": "cuda" } };
  const fit = (vram: number): Promise<FittedPlan> => fitMemory(jobs, { ram: 64e9, vram: Math.ceil(vram) }, undefined);
  const free = await fit(64e9);
  const need = free.needs.find(({ stage }) => stage === "stage-1")!.gpuBytes!;
  expect(free.plan.jobsAtOnce["stage-1"]).toBe(8); // half of them, for two groups take turns
  expect((await fit(need / 0.95)).plan.jobsAtOnce["stage-1"]).toBe(8);
  expect((await fit(need / 0.95 - 1e6)).plan.jobsAtOnce["stage-1"] ?? 1).toBeLessThan(8);
});
