/**
 * @module cli/start-options
 * How far stages leave the image that they start from, and with how much noise on it.
 */

import type { Command } from "commander";
import type { DiffusionDescription } from "../plan/stages.ts";
import { integer, strength } from "./values.ts";

/** Of all stages that start from an image. */
export function addStartOptions(command: Command): Command {
  return command
    .option(
      "--strength <share>",
      "how far stages 1 and 2 leave the image: above 0, to 1 (default: the model's)",
      strength,
    )
    .option(
      "--support-noise-less-qsample-steps <count>",
      "put the noise of a timestep so many further down the list on the image",
      integer(0, 999),
    );
}

/** Of one stage. */
export function addStageStartOptions(command: Command, { name }: DiffusionDescription): Command {
  return command
    .option(`--${name}-strength <share>`, "how far it leaves the image (default: --strength)", strength)
    .option(
      `--${name}-support-noise-less-qsample-steps <count>`,
      "how much less noise it puts on the image (default: as for all)",
      integer(0, 999),
    );
}
