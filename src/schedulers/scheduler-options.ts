/**
 * @module schedulers/scheduler-options
 * A scheduler's short name and a checkpoint's file -> what `createScheduler` takes.
 */

import { type SchedulerFile, resolveConfig } from "./config.ts";
import type { CreateSchedulerOptions } from "./create-scheduler.ts";
import { type NamedScheduler, type SchedulerName, namedSchedulers } from "./names.ts";

/**
 * @param file the checkpoint's.
 * @returns what `createScheduler` takes; a checkpoint's own keys (thresholding, ...) stay in force. Where diffusers' class
 *          would ignore its thresholding, or follow the noise that was predicted before it, the clipped x_0 is followed:
 *          guided images of IF fall apart otherwise.
 */
export function schedulerOptions(name: SchedulerName, file: SchedulerFile): Required<CreateSchedulerOptions> {
  const { className, overrides = {}, keepsSpacing }: NamedScheduler = namedSchedulers[name];
  if (!keepsSpacing || file.className === className) return { className, overrides };
  const { timestepSpacing } = resolveConfig(file, file.className, {});
  return { className, overrides: { ...overrides, timestepSpacing } };
}
