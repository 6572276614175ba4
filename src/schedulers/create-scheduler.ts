/**
 * @module schedulers/create-scheduler
 * From a scheduler_config.json to the scheduler it names, or to another one with the same noise schedule.
 */

import { resolveConfig, type SchedulerClassName, type SchedulerConfig, type SchedulerFile } from "./config.ts";
import { createDdimScheduler } from "./ddim.ts";
import { createDdpmScheduler } from "./ddpm.ts";
import { createDpmSolverMultistepScheduler } from "./dpm-solver-multistep.ts";
import { createEulerAncestralDiscreteScheduler } from "./euler-ancestral-discrete.ts";
import { createEulerDiscreteScheduler } from "./euler-discrete.ts";
import { createHeunDiscreteScheduler } from "./heun-discrete.ts";
import type { Scheduler } from "./scheduler.ts";
import { createUniPcMultistepScheduler } from "./unipc-multistep.ts";

export interface CreateSchedulerOptions {
  /** Another scheduler than the file's: it takes over the keys the file has, all others get its own defaults. */
  readonly className?: SchedulerClassName;
  /** Keys that win over the file's. */
  readonly overrides?: Partial<SchedulerConfig>;
}

const creators: Readonly<Record<SchedulerClassName, (config: SchedulerConfig) => Scheduler>> = {
  DDPMScheduler: createDdpmScheduler,
  DDIMScheduler: createDdimScheduler,
  DPMSolverMultistepScheduler: createDpmSolverMultistepScheduler,
  EulerDiscreteScheduler: createEulerDiscreteScheduler,
  EulerAncestralDiscreteScheduler: createEulerAncestralDiscreteScheduler,
  HeunDiscreteScheduler: createHeunDiscreteScheduler,
  UniPCMultistepScheduler: createUniPcMultistepScheduler,
};

export function createScheduler(file: SchedulerFile, options: CreateSchedulerOptions = {}): Scheduler {
  const className = options.className ?? file.className;
  return creators[className](resolveConfig(file, className, options.overrides ?? {}));
}
