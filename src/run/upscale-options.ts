/**
 * @module run/upscale-options
 * What `upscale` is told beside the options of a drawing: the image, which stages enlarge it, in which tiles and with how much noise, and the
 * original that stage 2 may start from.
 */

import { z } from "zod";
import { UsageError } from "../errors.ts";
import type { UpscalerChoice } from "../plan/choices.ts";
import { type Request, upscaleRequest } from "../plan/request.ts";
import {
  type DiffusionDescription,
  type EnlargingName,
  describeDiffusion,
  diffusionNames,
  enlargingTable,
  sides,
} from "../plan/stages.ts";
import { stagesWith } from "./upscaler-options.ts";

export interface UpscaleOptions {
  /** Path of the image that is enlarged; a name that ends in .safetensors: one tensor, (3, H, W) or (N, 3, H, W). */
  readonly image: string;
  /** Which stages, each four times as large. @default the last one; with `original`, stage 2 */
  readonly stages?: readonly EnlargingName[];
  /** Side of the tiles in which a large image is drawn, in pixels of what a stage is given; 0: none. @default the stage's own size */
  readonly tile?: number;
  /** How far tiles reach into each other, at most half a tile. @default a quarter of a tile */
  readonly tileOverlap?: number;
  /** Noise on the image that is enlarged, in all stages: 0 to 1, where 0.25 is a noise level of 250. @default the model's */
  readonly augLevel?: number;
  /** Path of the image that stage 2 starts from, with `strength`, as img2img does. @default none: stage 2 starts from noise */
  readonly original?: string;
  /** How far stage 2 leaves the original: above 0, to 1. */
  readonly strength?: number;
  /** Path of an image whose white is repainted; all else stays as the original. @default none */
  readonly mask?: string;
}

export const upscaleShape = {
  stages: z
    .array(z.enum(diffusionNames))
    .min(1)
    .refine((names) => names.every(isEnlarging), `each is one of ${enlargingTable.map(({ name }) => name).join(", ")}`)
    .optional(),
  tile: upscaleRequest.shape.tile.optional(),
  tileOverlap: upscaleRequest.shape.tileOverlap.optional(),
  augLevel: z.number().min(0).max(1).optional(),
  original: z.string().min(1).optional(),
} as const;

/** Options that only upscale takes. */
export const upscaleOptionNames = Object.keys(upscaleShape) as readonly (keyof typeof upscaleShape)[];

const isEnlarging = (name: string): boolean => enlargingTable.some((stage) => stage.name === name);

/** Timesteps of the noising schedulers, of which a level is a share. */
const NOISE_TIMESTEPS = 1000;

/** @returns the noise level that `augLevel` is; undefined: the model's. */
export const noiseLevelFrom = (augLevel: number | undefined): number | undefined =>
  augLevel === undefined ? undefined : Math.min(NOISE_TIMESTEPS - 1, Math.round(NOISE_TIMESTEPS * augLevel));

type Given = { readonly [Name in keyof typeof upscaleShape]?: z.infer<(typeof upscaleShape)[Name]> } & {
  readonly upscaler?: UpscalerChoice | undefined;
};

/** @returns the stages in the order of the run, and their tiles. @throws {UsageError} no stage starts from the original. */
export function upscaleFrom({ tile, tileOverlap, original, ...given }: Given): NonNullable<Request["upscale"]> {
  const stages = stagesWith(given, given.stages);
  const chosen = stages ? enlargingTable.filter(({ name }) => stages.includes(name)) : [defaultStage(original)];
  const [starting] = enlargingTable.filter(({ startStrengths }) => startStrengths);
  if (original !== undefined && starting && !chosen.includes(starting)) {
    throw new UsageError(`--original is what ${starting.label} starts from: add ${starting.name} to --stages.`);
  }
  return {
    stages: chosen.map(({ name }) => name),
    ...(tile === undefined ? {} : { tile }),
    ...(tileOverlap === undefined ? {} : { tileOverlap }),
  };
}

const defaultStage = (original: string | undefined): DiffusionDescription =>
  (original === undefined ? undefined : enlargingTable.find(({ startStrengths }) => startStrengths)) ??
  enlargingTable.at(-1)!;

/** @returns the side of the last of the stages; of none, the smallest: nothing is drawn. */
export const untilOf = ({ stages }: NonNullable<Request["upscale"]>): Request["until"] => {
  const last = stages.at(-1);
  return last === undefined ? sides[0]! : describeDiffusion(last).side;
};
