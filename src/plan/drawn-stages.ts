/**
 * @module plan/drawn-stages
 * Which stages of the cascade a request runs.
 */

import type { Request } from "./request.ts";
import {
  type DiffusionDescription,
  type RepositoryKey,
  type RepositoryLayout,
  type StageDescription,
  describeDiffusion,
  diffusionUntil,
  repositoryLayouts,
  stageTable,
} from "./stages.ts";

type Drawn = Pick<Request, "until"> & { readonly upscale?: Request["upscale"] | undefined };
type Encoded = Drawn & { readonly promptEmbeds?: string | undefined };

/** @returns the stages that draw, in order: all up to a side, or those that an upscale names. */
export const drawnStages = ({ until, upscale }: Drawn): readonly DiffusionDescription[] =>
  upscale ? upscale.stages.map(describeDiffusion) : diffusionUntil(until);

/** Does T5 run? */
export const needsTextEncoder = (request: Encoded): boolean => takesText(request) && request.promptEmbeds === undefined;

/** Does a stage take T5's embeddings? The x4 upscaler has a text encoder of its own. */
export const takesText = (request: Drawn): boolean => drawnStages(request).some(({ pixels }) => pixels !== undefined);

/** @returns the folders of a repository that the request reads: without T5 where embeddings are given, without UNets that do not run. */
export function neededLayout(key: RepositoryKey, request: Encoded): RepositoryLayout {
  const drawn = drawnStages(request).map(({ name }): string => name);
  const isUnneeded = ({ kind, name }: StageDescription): boolean =>
    (kind === "text" && !needsTextEncoder(request)) || (kind === "diffusion" && !drawn.includes(name));
  const unneeded = stageTable.filter((stage) => stage.repository === key && isUnneeded(stage));
  const networks = unneeded.flatMap(({ components }) => Object.entries(components));
  const folders = networks.filter(([, { essential }]) => essential).map(([folder]) => folder);
  return Object.fromEntries(Object.entries(repositoryLayouts[key]).filter(([folder]) => !folders.includes(folder)));
}
