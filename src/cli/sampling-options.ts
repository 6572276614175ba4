/**
 * @module cli/sampling-options
 * How a stage gets from noise to an image: its scheduler and timesteps, and what steers it towards the prompt.
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import type { DiffusionDescription } from "../plan/stages.ts";
import { schedulerNames } from "../schedulers/names.ts";
import { decimal, once, strength as share } from "./values.ts";

/** Of all stages that take them. */
export function addSharedSamplingOptions(command: Command): Command {
  command
    .option("--positive-prompt <text>", "mixed into the guidance of stages 1 and 2", once)
    .addOption(
      new Option("--scheduler <name>", "of all stages that draw (default: each checkpoint's own)").choices(
        schedulerNames,
      ),
    );
  return addSteering(addPixelSteering(command, "--", "stages 1 and 2"), "--", "all stages");
}

/** Of one stage; they come before those of all. */
export function addStageSamplingOptions(command: Command, { name, label, pixels }: DiffusionDescription): Command {
  command
    .addOption(new Option(`--${name}-scheduler <name>`, `scheduler of ${label}`).choices(schedulerNames))
    .option(
      `--${name}-respacing <text>`,
      "as the original repository's: a preset, 50, ddim50, or steps per section from clean to noisy: 10,10,3,2,2",
      once,
    )
    .option(`--${name}-negative-prompt <text>`, `what ${label} should not show, in place of --negative-prompt`, once);
  addSteering(command, `--${name}-`, label);
  return pixels ? addPixelSteering(command, `--${name}-`, label) : command;
}

function addSteering(command: Command, prefix: string, whose: string): Command {
  return command
    .option(
      `${prefix}guidance-rescale <share>`,
      `bring guided predictions of ${whose} back to the text's deviation, 0 to 1`,
      decimal(0, 1),
    )
    .option(
      `${prefix}guidance-interval <from,to>`,
      `guide only this share of the steps of ${whose}: 0.2,0.8`,
      interval,
    );
}

function addPixelSteering(command: Command, prefix: string, whose: string): Command {
  return command
    .option(
      `${prefix}positive-mixer <share>`,
      `the positive prompt's share in ${whose} (default: 0.25 in stage 1, 0.5 in stage 2)`,
      decimal(0, 1),
    )
    .option(`${prefix}thresholding-p <quantile>`, `of the predicted image's values, in ${whose}: above 0, to 1`, share)
    .option(
      `${prefix}thresholding-c <limit>`,
      `largest value of that quantile, in ${whose}: 1 or more`,
      decimal(1, 1000),
    );
}

/** Two shares of the steps, `0.2,0.8`. */
function interval(text: string): [number, number] {
  const [from = Number.NaN, to = Number.NaN, ...more] = text.split(",").map(Number);
  if (from >= 0 && from < to && to <= 1 && more.length === 0) return [from, to];
  throw new InvalidArgumentError("It must be two shares of the steps, from and up to: 0.2,0.8.");
}
