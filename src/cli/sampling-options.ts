/**
 * @module cli/sampling-options
 * How a stage gets from noise to an image: its scheduler and its timesteps.
 */

import { type Command, Option } from "commander";
import type { DiffusionDescription } from "../plan/stages.ts";
import { schedulerNames } from "../schedulers/names.ts";
import { once } from "./values.ts";

/** Of all stages. */
export function addSharedSamplingOptions(command: Command): Command {
  return command.addOption(
    new Option("--scheduler <name>", "of all stages that draw (default: each checkpoint's own)").choices(
      schedulerNames,
    ),
  );
}

/** Of one stage; they come before those of all. */
export function addStageSamplingOptions(command: Command, { name, label }: DiffusionDescription): Command {
  return command
    .addOption(new Option(`--${name}-scheduler <name>`, `scheduler of ${label}`).choices(schedulerNames))
    .option(
      `--${name}-respacing <text>`,
      "as the original repository's: a preset, 50, ddim50, or steps per section from clean to noisy: 10,10,3,2,2",
      once,
    );
}
