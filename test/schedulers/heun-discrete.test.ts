import { expect, test } from "vitest";
import { resolveConfig, type SchedulerConfig } from "../../src/schedulers/config.ts";
import { createHeunDiscreteScheduler } from "../../src/schedulers/heun-discrete.ts";
import type { Scheduler } from "../../src/schedulers/scheduler.ts";
import { goldenSchedulers } from "./golden-schedulers.ts";
import { schedulerContract } from "./scheduler-contract.ts";

const className = "HeunDiscreteScheduler";
const create = (overrides: Partial<SchedulerConfig> = {}): Scheduler =>
  createHeunDiscreteScheduler(resolveConfig({ className, keys: {} }, className, overrides));

schedulerContract(create);
goldenSchedulers(className);

test("every timestep but the first is visited twice", () => {
  const scheduler = create();
  scheduler.setTimesteps({ timesteps: [900, 500, 20] });
  expect(scheduler.timesteps).toEqual([900, 500, 500, 20, 20]);
});
