import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { parseSchedulerConfig } from "../../src/schedulers/config.ts";
import { schedulerOptions } from "../../src/schedulers/scheduler-options.ts";
import { networkCalls, startIndex } from "../../src/schedulers/start-index.ts";
import { goldenConfig } from "./golden-schedulers.ts";

const { json, file } = goldenConfig("if-i/scheduler");
const stored = parseSchedulerConfig(json, file);
const calls = (name: Parameters<typeof schedulerOptions>[0], numInferenceSteps: number, strength?: number): number =>
  networkCalls(stored, {
    ...schedulerOptions(name, stored),
    selection: { numInferenceSteps },
    ...(strength === undefined ? {} : { strength }),
  });

describe("calls of the network", () => {
  test("one a step; two with Heun's method, but for its last step", () => {
    expect(calls("ddpm", 10)).toBe(10);
    expect(calls("heun", 10)).toBe(19);
  });
  test("with a strength, those of the last share of the steps", () => {
    expect(calls("ddpm", 10, 0.75)).toBe(7);
    expect(calls("heun", 10, 0.75)).toBe(13);
    expect(calls("heun", 1, 1)).toBe(1);
    expect(calls("heun", 3, 0.3)).toBe(0);
  });
  test("a list counts its timesteps, not those that Heun visits", () => {
    const selection = { timesteps: [900, 700, 500, 300] };
    expect(networkCalls(stored, { selection, strength: 0.5 })).toBe(2);
    expect(networkCalls(stored, { selection, strength: 0.5, className: "HeunDiscreteScheduler" })).toBe(3);
  });
  test("a scheduler that stops before the end has fewer", () => {
    const overrides = { timestepSpacing: "trailing" } as const;
    const options = { className: "DPMSolverMultistepScheduler", overrides } as const;
    const all = networkCalls(stored, { ...options, selection: { numInferenceSteps: 1000 } });
    expect(all).toBeLessThan(1000); // lambda_min_clipped leaves out the noisiest
    expect(networkCalls(stored, { ...options, selection: { numInferenceSteps: 1000 }, strength: 0.5 })).toBe(all - 500);
  });
  test("a count that the scheduler refuses is refused", () => {
    expect(() => calls("ddpm", 0)).toThrow(UsageError);
  });
});

test("a run of Heun's method joins between two steps, never within one", () => {
  const heun = { order: 2 };
  expect(startIndex(heun, { numInferenceSteps: 10 }, 0.75)).toBe(6);
  expect(startIndex(heun, { numInferenceSteps: 10 }, 1)).toBe(0);
  expect(startIndex(heun, { numInferenceSteps: 10 }, 0.05)).toBe(20);
});
