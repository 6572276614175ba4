/**
 * @module cli/prepare
 * A checked request -> its plan: finds the model, looks at the start picture.
 */

import { inspectPicture } from "../executor/inspect-picture.ts";
import { makePlan, readWantedCheckpoints } from "../plan/make-plan.ts";
import type { Model } from "../plan/model.ts";
import type { Plan } from "../plan/plan.ts";
import type { Request } from "../plan/request.ts";
import { presetTimesteps, timestepPresets } from "../schedulers/timesteps.ts";

/**
 * @throws {CheckpointError} a checkpoint is missing or not understood.
 * @throws {InputImageError} the picture or its mask cannot be used.
 * @throws {UsageError} a setting that no stage takes.
 */
export async function preparePlan(request: Request, model: Model): Promise<Plan> {
  const presets = Object.fromEntries(timestepPresets.map((name) => [name, presetTimesteps(name)]));
  if (!request.picture) return makePlan(request, model, presets);
  const { image, mask } = request.picture;
  const { grids } = await readWantedCheckpoints(model, request.until);
  const found = await inspectPicture({ image, ...(mask ? { mask } : {}), grids: [...grids] });
  const plan = await makePlan(request, model, presets, found);
  return { ...plan, notes: [...found.notes, ...plan.notes] };
}
