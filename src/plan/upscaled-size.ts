/**
 * @module plan/upscaled-size
 * The sizes of an upscale, which follow from the image that is enlarged, and the tiles in which a large one is drawn.
 */

import { InputImageError, UsageError } from "../errors.ts";
import { stageSizeOption } from "./stage-size-options.ts";
import type { DiffusionStage, StageTiles } from "./plan.ts";
import type { Checkpoints, DiffusionCheckpoint } from "./read-checkpoints.ts";
import type { Request, UpscaleRequest } from "./request.ts";
import { type Size, stageSize } from "./stage-size.ts";
import { type DiffusionName, enlargementOf } from "./stages.ts";

/** The upscaler's low-resolution image is cut, or resized, to multiples of it: VaeImageProcessor. */
const LATENT_PIXELS = 4;

export type UpscaledSize = Size & Pick<DiffusionStage, "tiles">;

/**
 * IF's second stage draws four times the image, as its network can; beside an original, that one's shape at the network's
 * own size, as IFImg2ImgSuperResolutionPipeline; or what is asked for. The x4 upscaler draws four times what it is given.
 * @param image of the low-resolution image. @param original of the image that stage 2 starts from.
 * @throws {UsageError} the size that is asked for, or the tiles, cannot be drawn.
 * @throws {InputImageError} the image is too small.
 */
export function upscaledSizes(
  { diffusion }: Checkpoints,
  { upscale = { stages: [] }, size: requested, stages }: Request,
  image: Size,
  original?: Size,
): ReadonlyMap<DiffusionName, UpscaledSize> {
  const stageOption = stageSizeOption({ stages });
  if (stageOption !== undefined)
    throw new UsageError(`an upscale's sizes follow from its image: --size, and not ${stageOption}, says another.`);
  const sizes = new Map<DiffusionName, UpscaledSize>();
  let before = image;
  for (const [index, checkpoint] of diffusion.entries()) {
    const { stage, grid } = checkpoint;
    const later = diffusion.slice(index + 1).reduce((product, one) => product * enlargementOf(one.stage), 1);
    let size: Size;
    if (!grid) size = fourTimes(before, enlargementOf(stage));
    else if (requested) size = requestedSize(requested, later, grid.multiple);
    else if (original) size = stageSize(original, grid);
    else size = nearest(before, enlargementOf(stage), grid.multiple);
    const tiles = tilesFor(checkpoint, size, upscale);
    sizes.set(stage.name, { ...size, ...(tiles ? { tiles } : {}) });
    before = size;
  }
  if (requested) checkSize(requested, before);
  return sizes;
}

function fourTimes({ width, height }: Size, scale: number): Size {
  if (Math.min(width, height) < LATENT_PIXELS) {
    throw new InputImageError(`an image of ${width}x${height} is too small to be upscaled: a side needs 4 pixels.`);
  }
  const fit = (side: number): number => scale * (side - (side % LATENT_PIXELS));
  return { width: fit(width), height: fit(height) };
}

function nearest({ width, height }: Size, scale: number, multiple: number): Size {
  const fit = (side: number): number => Math.max(1, Math.round((scale * side) / multiple)) * multiple;
  return { width: fit(width), height: fit(height) };
}

function requestedSize({ width, height }: Size, later: number, multiple: number): Size {
  const unit = later * multiple;
  if (width % unit === 0 && height % unit === 0) return { width: width / later, height: height / later };
  throw new UsageError(`--size ${width}x${height}: its sides have to be multiples of ${unit} here.`);
}

function checkSize(requested: Size, drawn: Size): void {
  if (requested.width === drawn.width && requested.height === drawn.height) return;
  throw new UsageError(
    `--size ${requested.width}x${requested.height}: the image becomes ${drawn.width}x${drawn.height} with these stages; ` +
      "leave --size out, or run stage 2, which draws any size.",
  );
}

/** The longest shape that a stage draws whole: more was never tried with IF. */
const MAX_RATIO = 3;

/** @returns undefined: the image is drawn whole. */
function tilesFor(
  { stage, grid }: DiffusionCheckpoint,
  size: Size,
  { tile, tileOverlap }: Pick<UpscaleRequest, "tile" | "tileOverlap">,
): StageTiles | undefined {
  if (tile === 0) return undefined;
  const scale = enlargementOf(stage);
  const sampleSize = grid?.sampleSize ?? stage.side;
  const [short, long] = [Math.min(size.width, size.height), Math.max(size.width, size.height)];
  if (tile === undefined && short <= sampleSize && long <= MAX_RATIO * sampleSize) return undefined;
  const multiple = grid?.multiple ?? 8 * scale; // the latents are halved three times
  const side = Math.floor((tile === undefined ? sampleSize : scale * tile) / multiple) * multiple;
  if (side < 2 * multiple) {
    throw new UsageError(`--tile ${tile}: ${stage.name} needs tiles of at least ${(2 * multiple) / scale} pixels.`);
  }
  const overlap = tileOverlap === undefined ? Math.floor(side / 4 / scale) * scale : scale * tileOverlap;
  if (overlap > side / 2) {
    throw new UsageError(
      `--tile-overlap ${overlap / scale}: it may be half a tile, which is ${side / 2 / scale} in ${stage.name}.`,
    );
  }
  if (size.width <= side && size.height <= side) return undefined;
  return { width: Math.min(side, size.width), height: Math.min(side, size.height), overlap };
}
