import { describe, expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { parseSchedulerConfig, schedulerClassNames } from "../../src/schedulers/config.ts";
import { createScheduler } from "../../src/schedulers/create-scheduler.ts";
import { goldenConfig } from "./golden-schedulers.ts";

const parse = (keys: object): unknown =>
  parseSchedulerConfig({ _class_name: "DDPMScheduler", ...keys }, "if-i/scheduler/scheduler_config.json");

describe("refused, naming key and file", () => {
  test.each([
    ["an unknown key", { betas_start: 1 }, "betas_start"],
    ["a wrong type", { beta_end: "0.02" }, "beta_end"],
    ["a schedule that is not supported", { beta_schedule: "sigmoid" }, "beta_schedule"],
    ["a prediction type that is not supported", { prediction_type: "flow_prediction" }, "prediction_type"],
    ["zero terminal SNR", { rescale_betas_zero_snr: true }, "rescale_betas_zero_snr"],
    ["Karras sigmas", { use_karras_sigmas: true }, "use_karras_sigmas"],
    ["a third-order solver", { solver_order: 3 }, "solver_order"],
    ["no training timesteps", { num_train_timesteps: 0 }, "num_train_timesteps"],
    ["trained betas of another length", { trained_betas: [0.1], num_train_timesteps: 2 }, "trained_betas"],
    ["another scheduler", { _class_name: "PNDMScheduler" }, "PNDMScheduler"],
    ["no scheduler", { _class_name: undefined }, "undefined"],
  ])("%s", (_, keys, named) => {
    expect(() => parse(keys)).toThrow(CheckpointError);
    expect(() => parse(keys)).toThrow(named);
    expect(() => parse(keys)).toThrow("if-i/scheduler/scheduler_config.json");
  });

  test.each([null, [], "text", 3])("%j instead of an object", (json) => {
    expect(() => parseSchedulerConfig(json, "x.json")).toThrow(CheckpointError);
  });
});

test.each(schedulerClassNames)("%s is created", (className) => {
  expect(createScheduler(parseSchedulerConfig({ _class_name: className }, "x.json")).order).toBeGreaterThan(0);
});

test("keys of newer and other schedulers, and private ones, are known", () => {
  const keys = {
    _diffusers_version: "0.30.0",
    _private: 1,
    skip_prk_steps: true,
    lambda_min_clipped: -5.1,
    timestep_spacing: "trailing",
    steps_offset: 1,
    rescale_betas_zero_snr: false,
    use_karras_sigmas: false,
    sigma_min: null,
    time_shift_type: "exponential",
  };
  expect(() => parse(keys)).not.toThrow();
});

describe("another class", () => {
  const { json, file } = goldenConfig("if-i/scheduler");
  const stored = parseSchedulerConfig(json, file);

  test("takes over the keys of the file and fills the rest with its own defaults", () => {
    const { config } = createScheduler(stored, { className: "DPMSolverMultistepScheduler" });
    expect(config).toMatchObject({ lambdaMinClipped: -5.1, thresholding: true, sampleMaxValue: 1.5 });
    expect(config.timestepSpacing).toBe("linspace"); // not DDPM's "leading", which the file does not say
  });

  test("keeps the spacing that the file does say", () => {
    const explicit = parseSchedulerConfig({ ...json, timestep_spacing: "leading" }, file);
    const { config } = createScheduler(explicit, { className: "DPMSolverMultistepScheduler" });
    expect(config.timestepSpacing).toBe("leading");
  });

  test("overrides win over the file", () => {
    const { config } = createScheduler(stored, { overrides: { varianceType: "fixed_small" } });
    expect(config.varianceType).toBe("fixed_small");
  });
});
