/**
 * @module run/mask-options
 * `stage1Mask` and `stage2Mask`: what single stages of inpaint repaint in place of the common mask.
 */

import { z } from "zod";
import { UsageError } from "../errors.ts";
import type { StartImage } from "../plan/request.ts";
import { type DiffusionName, diffusionTable } from "../plan/stages.ts";

/** Paths of images whose white is repainted by that stage. */
export interface StageMaskOptions {
  /** @default the common mask */
  readonly stage1Mask?: string;
  /** @default the common mask */
  readonly stage2Mask?: string;
}

const masked: readonly DiffusionName[] = diffusionTable
  .filter(({ startStrengths }) => startStrengths !== undefined)
  .map(({ name }) => name);

const keyOf = (stage: DiffusionName): keyof StageMaskOptions =>
  `${stage.replace("-", "")}Mask` as keyof StageMaskOptions;

export const stageMaskNames: readonly (keyof StageMaskOptions)[] = masked.map(keyOf);

export const stageMaskShape: Readonly<Record<string, z.ZodType>> = Object.fromEntries(
  stageMaskNames.map((name) => [name, z.string().min(1).optional()]),
);

type Options = Readonly<Record<string, unknown>>;

/** @returns nothing: no stage has a mask of its own. */
export function stageMasksOf(options: Options): Pick<StartImage, "stageMasks"> {
  const given = masked.flatMap((stage) =>
    options[keyOf(stage)] === undefined ? [] : [[stage, options[keyOf(stage)]]],
  );
  return given.length === 0 ? {} : { stageMasks: Object.fromEntries(given) as NonNullable<StartImage["stageMasks"]> };
}

/** @returns the options that make them: {@link stageMasksOf} backwards. */
export const optionsOfStageMasks = ({ stageMasks = {} }: Pick<StartImage, "stageMasks">): StageMaskOptions =>
  Object.fromEntries(masked.map((stage) => [keyOf(stage), stageMasks[stage]]));

/** @throws {UsageError} a stage's mask, and no inpainting. */
export function checkNoStageMask(command: string, options: Options): void {
  const stray = stageMaskNames.find((name) => options[name] !== undefined);
  if (stray !== undefined) throw new UsageError(`${stray} goes with inpaint, not with ${command}.`);
}
