/**
 * @module plan/drawn-stages
 * Which stages of the cascade a request runs.
 */

import type { Request } from "./request.ts";
import { type DiffusionDescription, describeDiffusion, diffusionUntil } from "./stages.ts";

type Drawn = Pick<Request, "until"> & { readonly upscale?: Request["upscale"] | undefined };

/** @returns the stages that draw, in order: all up to a side, or those that an upscale names. */
export const drawnStages = ({ until, upscale }: Drawn): readonly DiffusionDescription[] =>
  upscale ? upscale.stages.map(describeDiffusion) : diffusionUntil(until);

/** Does a stage take T5's embeddings? The x4 upscaler has a text encoder of its own. */
export const takesText = (request: Drawn): boolean => drawnStages(request).some(({ pixels }) => pixels !== undefined);
