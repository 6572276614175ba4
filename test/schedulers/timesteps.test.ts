import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { resolveConfig, type SchedulerConfig } from "../../src/schedulers/config.ts";
import {
  presetTimesteps,
  roundHalfEven,
  selectTimesteps,
  spacedTimesteps,
  timestepPresets,
} from "../../src/schedulers/timesteps.ts";
import { customTimesteps } from "./golden-schedulers.ts";

describe("respacing presets", () => {
  test("are those of the reference", () => {
    expect(timestepPresets.map((preset) => `${preset}_timesteps`).toSorted()).toEqual(
      Object.keys(customTimesteps).toSorted(),
    );
  });

  test.each(timestepPresets)("%s", (preset) => {
    expect(presetTimesteps(preset)).toEqual(customTimesteps[`${preset}_timesteps`]);
  });
});

const spaced = (timestepSpacing: SchedulerConfig["timestepSpacing"], count: number): number[] =>
  spacedTimesteps(
    resolveConfig({ className: "DDPMScheduler", keys: {} }, "DDPMScheduler", { timestepSpacing, stepsOffset: 1 }),
    count,
  );

describe("spacing", () => {
  test("leading starts at the offset, in whole steps", () => {
    expect(spaced("leading", 3)).toEqual([667, 334, 1]);
  });
  test("linspace reaches both ends and has no offset", () => {
    expect(spaced("linspace", 4)).toEqual([999, 666, 333, 0]);
    expect(spaced("linspace", 3)).toEqual([999, 499.5, 0]);
    expect(spaced("linspace", 1)).toEqual([0]);
  });
  test("trailing starts at the end and has no offset", () => {
    expect(spaced("trailing", 3)).toEqual([999, 666, 332]);
    expect(spaced("trailing", 8)).toEqual([999, 874, 749, 624, 499, 374, 249, 124]);
  });
  test("trailing has as many as asked for, where numpy.arange makes one more", () => {
    for (const count of [61, 103, 998]) {
      expect(spaced("trailing", count)).toHaveLength(count);
      expect(spaced("trailing", count).at(-1)).toBeGreaterThanOrEqual(0);
    }
  });
});

test("a count that the offset pushes past the last training timestep is refused", () => {
  const config = resolveConfig({ className: "DDIMScheduler", keys: {} }, "DDIMScheduler", { stepsOffset: 1 });
  const select = (numInferenceSteps: number): number[] =>
    selectTimesteps({ numInferenceSteps }, config, (count) => spacedTimesteps(config, count));
  expect(select(999)[0]).toBe(999);
  expect(() => select(1000)).toThrow(UsageError);
});

test("halves are rounded to the even neighbour", () => {
  expect([0.5, 1.5, 2.5, 499.5, 2.4999, 2.5001].map(roundHalfEven)).toEqual([0, 2, 2, 500, 2, 3]);
});
