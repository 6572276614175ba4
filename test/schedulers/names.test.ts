import { expect, test } from "vitest";
import { parseSchedulerConfig, schedulerClassNames } from "../../src/schedulers/config.ts";
import { createScheduler } from "../../src/schedulers/create-scheduler.ts";
import { schedulerNames, schedulerOptions } from "../../src/schedulers/names.ts";
import { goldenConfig } from "./golden-schedulers.ts";

const { json, file } = goldenConfig("if-i/scheduler");
const stored = parseSchedulerConfig(json, file);

test.each(schedulerNames)("%s runs on IF's own configuration, whose thresholding it keeps", (name) => {
  const scheduler = createScheduler(stored, schedulerOptions(name));
  scheduler.setTimesteps({ numInferenceSteps: 6 });
  expect(scheduler.timesteps).toHaveLength(name === "heun" ? 11 : 6);
  expect(scheduler.config.thresholding).toBe(true);
});

test("only DDPM and DPM-Solver++ take the variance that IF predicts", () => {
  const learning = schedulerNames.filter(
    (name) => createScheduler(stored, schedulerOptions(name)).takesLearnedVariance,
  );
  expect(learning).toEqual(["ddpm", "dpm++2m", "dpm++2m-sde"]);
});

test("each class has a name", () => {
  const classes = schedulerNames.map((name) => schedulerOptions(name).className);
  expect(new Set(classes)).toEqual(new Set(schedulerClassNames));
});

test("a name wins over the algorithm of the file", () => {
  const sde = parseSchedulerConfig({ ...json, algorithm_type: "sde-dpmsolver++", solver_order: 1 }, file);
  const { config } = createScheduler(sde, schedulerOptions("dpm++2m"));
  expect(config).toMatchObject({ algorithmType: "dpmsolver++", solverOrder: 2 });
});
