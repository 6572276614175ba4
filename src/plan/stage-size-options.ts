/**
 * @module plan/stage-size-options
 * `--stage-1-width` and the like: a stage's own sides, as diffusers' IFPipeline and IFSuperResolutionPipeline take
 * `height` and `width`.
 */

import { UsageError } from "../errors.ts";
import type { DiffusionCheckpoint } from "./read-checkpoints.ts";
import type { Request } from "./request.ts";
import type { Size, StageGrid } from "./stage-size.ts";

/** @returns the first option that says a stage's own side. */
export function stageSizeOption({ stages }: Pick<Request, "stages">): string | undefined {
  const options = Object.entries(stages).flatMap(([name, { width, height }]) => [
    ...(width === undefined ? [] : [`--${name}-width`]),
    ...(height === undefined ? [] : [`--${name}-height`]),
  ]);
  return options[0];
}

/**
 * @returns the size that is asked of a stage, a side that is not said being the network's own; undefined: none is.
 * @throws {UsageError} its network does not take the side.
 */
export function stageSizeOf(
  { stage: { name, label } }: DiffusionCheckpoint,
  { sampleSize, multiple }: StageGrid,
  { stages }: Pick<Request, "stages">,
): Size | undefined {
  const { width, height } = stages[name] ?? {};
  if (width === undefined && height === undefined) return undefined;
  for (const [side, pixels = sampleSize] of [["width", width] as const, ["height", height] as const]) {
    if (pixels % multiple === 0) continue;
    throw new UsageError(
      `--${name}-${side} ${pixels}: the network of ${label} takes sides that are multiples of ${multiple}.`,
    );
  }
  return { width: width ?? sampleSize, height: height ?? sampleSize };
}
