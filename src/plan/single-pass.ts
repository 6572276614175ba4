/**
 * @module plan/single-pass
 * The stage that enlarges in one pass, after all that is drawn: its size, which follows from the network's scale, and the
 * tiles in which a large image goes through it.
 */

import { resolve } from "node:path";
import { InputImageError, UsageError } from "../errors.ts";
import { hashFile } from "../files/hash-file.ts";
import { readRrdbNetFile } from "../models/rrdbnet-file.ts";
import type { DiffusionStage, SinglePassStage, StageTiles } from "./plan.ts";
import type { Request } from "./request.ts";
import type { Size } from "./stage-size.ts";

/** An ESRGAN's file, as far as a plan needs it. */
export interface UpscalerFile {
  readonly path: string;
  readonly sha256: string;
  readonly scale: number;
  /** Side of the blocks of pixels that it takes whole. */
  readonly block: number;
}

/** @throws {CheckpointError} it is missing, or no ESRGAN that is run. */
export async function readUpscalerFile(given: string): Promise<UpscalerFile> {
  const path = resolve(given);
  const { scale, block } = await readRrdbNetFile(path);
  return { path, sha256: await hashFile(path), scale, block };
}

/** Of tiles, in pixels of what is enlarged: memory for 4 times 256 pixels is some hundred MB. */
const TILE = 256;
/** The network sees some hundred pixels around one, but hardly minds those beyond ten. */
const OVERLAP = 32;
const MAX_SIDE = 32_768;

/**
 * @param before what it enlarges: the last stage that draws, or the size of the low-resolution image.
 * @throws {UsageError} the tiles cannot be drawn. @throws {InputImageError} the image would become too large.
 */
export function singlePassStage(
  file: UpscalerFile,
  before: Size & Partial<Pick<DiffusionStage, "name">>,
  { tile = TILE, tileOverlap = Math.min(OVERLAP, Math.floor(tile / 4)) }: Partial<NonNullable<Request["upscale"]>> = {},
): SinglePassStage {
  const { path, sha256, scale } = file;
  const size = { width: scale * before.width, height: scale * before.height };
  if (Math.max(size.width, size.height) > MAX_SIDE) {
    throw new InputImageError(
      `ESRGAN would make ${size.width}x${size.height} of ${before.width}x${before.height}: a side may have ${MAX_SIDE} pixels.`,
    );
  }
  const tiles = tilesOf(file, before, tile, tileOverlap);
  return {
    kind: "single-pass",
    name: "esrgan",
    checkpoint: path,
    sha256,
    ...size,
    ...(tiles ? { tiles } : {}),
    ...(before.name === undefined ? {} : { of: before.name }),
  };
}

/** @returns undefined: the image goes through whole. */
function tilesOf({ scale, block }: UpscalerFile, image: Size, tile: number, overlap: number): StageTiles | undefined {
  if (tile === 0) return undefined;
  const [side, shared] = [tile, overlap].map((length) => Math.floor(length / block) * block) as [number, number];
  if (side < 4 * block) throw new UsageError(`--tile ${tile}: ESRGAN needs tiles of at least ${4 * block} pixels.`);
  if (shared > side / 2) {
    throw new UsageError(`--tile-overlap ${overlap}: it may be half a tile, which is ${side / 2} in ESRGAN.`);
  }
  if (image.width <= side && image.height <= side) return undefined;
  const fit = (length: number): number => scale * Math.min(side, Math.ceil(length / block) * block);
  return { width: fit(image.width), height: fit(image.height), overlap: scale * shared };
}
