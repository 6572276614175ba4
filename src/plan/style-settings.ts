/**
 * @module plan/style-settings
 * What style transfer does otherwise than img2img, as `style_transfer` of the original deep-floyd/IF: its own timesteps in
 * stage 1; and with how much noise an image starts, which img2img and inpaint may be told too.
 */

import { UsageError } from "../errors.ts";
import type { SchedulerClassName } from "../schedulers/config.ts";
import type { DiffusionStage } from "./plan.ts";
import type { Request, StageRequest } from "./request.ts";
import type { DiffusionDescription } from "./stages.ts";

/** @returns what is asked of the stage; of a style, where that says no timesteps, with the original's. */
export function withStyleRespacing(
  { name, styleRespacing }: DiffusionDescription,
  { command, stages }: Pick<Request, "command" | "stages">,
): StageRequest {
  const requested = stages[name] ?? {};
  const { steps, timesteps, respacing } = requested;
  const hasOwnSteps = (steps ?? timesteps ?? respacing) !== undefined;
  return command !== "style" || styleRespacing === undefined || hasOwnSteps
    ? requested
    : { ...requested, respacing: styleRespacing };
}

/** Schedulers whose samples are scaled by their first noise level: less noise would be another scale. */
const scaled: readonly SchedulerClassName[] = [
  "EulerDiscreteScheduler",
  "EulerAncestralDiscreteScheduler",
  "HeunDiscreteScheduler",
];

/** @throws {UsageError} the list of timesteps is not so long, or the scheduler does not take it. */
export function lessNoiseOf(
  { name, label }: DiffusionDescription,
  { supportNoiseLessQsampleSteps: lessNoiseSteps = 0 }: StageRequest,
  { scheduler, steps, strength }: Pick<DiffusionStage, "scheduler" | "steps" | "strength">,
): Pick<DiffusionStage, "lessNoiseSteps"> {
  if (lessNoiseSteps === 0 || strength === undefined) return {};
  const option = `--${name}-support-noise-less-qsample-steps`;
  if (scaled.includes(scheduler)) {
    throw new UsageError(`${option} does not go with euler, euler-a and heun; choose another scheduler.`);
  }
  if (lessNoiseSteps < steps - 1) return { lessNoiseSteps };
  throw new UsageError(
    `${option} ${lessNoiseSteps} is too many for the ${steps} steps of ${label}: at most ${steps - 2}.`,
  );
}
