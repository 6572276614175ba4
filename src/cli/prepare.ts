/**
 * @module cli/prepare
 * A checked request -> its plan: looks at the start picture, chooses where the stages run.
 */

import { chooseProvider } from "../run/choose-provider.ts";
import { inspectPicture } from "../executor/inspect-picture.ts";
import { makePlan, readWantedCheckpoints } from "../plan/make-plan.ts";
import type { Model } from "../catalog/find-model.ts";
import type { Plan } from "../plan/plan.ts";
import { gpuStagesOf } from "../plan/provider.ts";
import type { Request } from "../plan/request.ts";
import { presetTimesteps, timestepPresets } from "../schedulers/timesteps.ts";

/**
 * @throws {CheckpointError} a checkpoint is missing or not understood.
 * @throws {InputImageError} the picture or its mask cannot be used.
 * @throws {UsageError} a setting that no stage takes.
 * @throws {IfGenError} PROVIDER: the execution provider that is named does not work here.
 */
export async function preparePlan(request: Request, model: Model): Promise<Plan> {
  const plan = await planOf(request, model);
  const provider = await chooseProvider(request.executionProvider, request.deviceId);
  const gpuStages = gpuStagesOf(plan.stages, provider);
  return { ...plan, provider, ...(gpuStages ? { gpuStages } : {}) };
}

async function planOf(request: Request, model: Model): Promise<Plan> {
  const presets = Object.fromEntries(timestepPresets.map((name) => [name, presetTimesteps(name)]));
  if (!request.picture) return makePlan(request, model, presets);
  const { image, mask } = request.picture;
  const { grids } = await readWantedCheckpoints(model, request.until);
  const found = await inspectPicture({ image, ...(mask ? { mask } : {}), grids: [...grids] });
  const plan = await makePlan(request, model, presets, found);
  return { ...plan, notes: [...found.notes, ...plan.notes] };
}
