/**
 * @module networks/open-scheduler
 * A checkpoint's `scheduler/` and its kin as schedulers.
 */

import { join } from "node:path";
import { parseSchedulerConfig } from "../schedulers/config.ts";
import { type CreateSchedulerOptions, createScheduler } from "../schedulers/create-scheduler.ts";
import type { Scheduler } from "../schedulers/scheduler.ts";
import { readJson } from "../weights/file.ts";

/** @param component `scheduler`, `image_noising_scheduler` or `low_res_scheduler`. */
export async function openScheduler(
  checkpoint: string,
  component: string,
  override?: CreateSchedulerOptions,
): Promise<Scheduler> {
  const path = join(checkpoint, component, "scheduler_config.json");
  return createScheduler(parseSchedulerConfig(await readJson(path), path), override);
}
