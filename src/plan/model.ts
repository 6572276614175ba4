/**
 * @module plan/model
 * A model as a plan sees it: the folders of its checkpoints, and the settings it was made for.
 */

import { z } from "zod";
import { type RepositoryKey, repositoryKeys } from "./stages.ts";
import type { StartKind } from "./choices.ts";

const stageDefaults = z.strictObject({
  steps: z.int().positive().optional(),
  /** A preset's name or a list; takes the place of steps. */
  timesteps: z.union([z.string(), z.array(z.int().nonnegative())]).optional(),
  guidance: z.number().nonnegative(),
  noiseLevel: z.int().nonnegative().optional(),
  /** img2img and inpaint, in stages that start from the image. */
  strength: z.number().positive().max(1).optional(),
});
export type StageDefaults = z.infer<typeof stageDefaults>;

const perRepository = Object.fromEntries(repositoryKeys.map((key) => [key, stageDefaults])) as Readonly<
  Record<RepositoryKey, typeof stageDefaults>
>;
/** What img2img and inpaint do otherwise than txt2img: whole stages. */
const otherStages = z.strictObject(perRepository).partial().exactOptional();

export const cascadeDefaults = z.strictObject({ ...perRepository, img2img: otherStages, inpaint: otherStages });
export type CascadeDefaults = z.infer<typeof cascadeDefaults>;

export interface Model {
  /** As it was asked for. */
  readonly name: string;
  /** It comes with this program: no licence of DeepFloyd's binds it. */
  readonly isOwn: boolean;
  /** Folders laid out as the Hub repositories of the stages. They need not exist. */
  readonly checkpoints: Readonly<Record<RepositoryKey, string>>;
  /** The one whose T5 encodes prompts: the first stage's, unless that has none of its own. */
  readonly text: string;
  readonly defaults: CascadeDefaults;
}

/** @returns the model's settings of a stage; those of txt2img where a command has none of its own, and img2img's for a style. */
export function defaultsOf(
  { defaults }: Pick<Model, "defaults">,
  command: StartKind,
  key: RepositoryKey,
): StageDefaults {
  if (command === "style") return withoutStrength(defaults.img2img?.[key] ?? defaults[key]);
  return (command === "txt2img" ? undefined : defaults[command]?.[key]) ?? defaults[key];
}

/** A style's comes from its timesteps. */
const withoutStrength = (defaults: StageDefaults): StageDefaults => ({ ...defaults, strength: undefined });
