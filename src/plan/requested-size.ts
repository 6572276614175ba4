/**
 * @module plan/requested-size
 * The sizes of a run from noise, where another shape than the square is asked for.
 *
 * Source: `_get_image_sizes` of the original deep-floyd/IF: stage 1's short side is its own, the long one the nearest multiple
 * of 8; later stages draw so many times that, floored to what their networks take.
 */

import { UsageError } from "../errors.ts";
import { stageSizeOf, stageSizeOption } from "./stage-size-options.ts";
import type { Checkpoints } from "./read-checkpoints.ts";
import type { Request } from "./request.ts";
import { type Size, type StageGrid, stageSize } from "./stage-size.ts";
import type { DiffusionName } from "./stages.ts";

/** Beyond it nothing is known of what IF draws, and the memory grows with it. */
const MAX_RATIO = 3;

/**
 * @returns the size of each stage.
 * @throws {UsageError} the shape is too long, both options or a start image say it, or a size has another short side.
 */
export function requestedSizes(checkpoints: Checkpoints, request: Request): ReadonlyMap<DiffusionName, Size> {
  const { aspectRatio, size, start } = request;
  const stageOption = stageSizeOption(request);
  if (aspectRatio && size) throw new UsageError("--aspect-ratio and --size exclude each other; give one of them.");
  const shape = size ?? aspectRatio;
  const option = stageOption ?? (size ? "--size" : "--aspect-ratio");
  if (shape && stageOption !== undefined) {
    throw new UsageError(
      `${size ? "--size" : "--aspect-ratio"} and ${stageOption} exclude each other; give one of them.`,
    );
  }
  if ((shape ?? stageOption) !== undefined && start) {
    throw new UsageError(`the image to start from says the shape: leave ${option} out, or crop the image.`);
  }
  if (shape) checkShape(shape);
  const sizes = sizesOf(checkpoints, shape ?? { width: 1, height: 1 }, request);
  if (size) checkShortSide(size, [...sizes.values()].at(-1));
  return sizes;
}

/** @returns a sentence if the long side is not the one that was asked for. */
export function describeRequestedSize({ size }: Request, drawn: Size | undefined): string | undefined {
  if (!size || !drawn || (size.width === drawn.width && size.height === drawn.height)) return undefined;
  return (
    `${drawn.width}x${drawn.height} is drawn, not ${size.width}x${size.height}: ` +
    "stage 1's long side is a multiple of 8, and later stages follow."
  );
}

function sizesOf(
  { diffusion }: Checkpoints,
  shape: Size,
  request: Pick<Request, "stages">,
): ReadonlyMap<DiffusionName, Size> {
  const sizes = new Map<DiffusionName, Size>();
  let before: { readonly size: Size; readonly grid: StageGrid } | undefined;
  for (const checkpoint of diffusion) {
    const { stage, grid } = checkpoint;
    if (stage.scale === "sample-size" && grid) {
      const following = before ? enlarged(before.size, before.grid, grid) : stageSize(shape, grid);
      const requestedSize = stageSizeOf(checkpoint, grid, request);
      if (requestedSize) checkShape(requestedSize);
      const size = requestedSize ?? following;
      before = { size, grid };
      sizes.set(stage.name, size);
    } else if (before && stage.scale !== "sample-size") {
      const { width, height } = before.size;
      sizes.set(stage.name, { width: stage.scale * width, height: stage.scale * height });
    }
  }
  return sizes;
}

function enlarged({ width, height }: Size, from: StageGrid, to: StageGrid): Size {
  const fit = (side: number): number =>
    Math.floor((side * to.sampleSize) / from.sampleSize / to.multiple) * to.multiple;
  return { width: fit(width), height: fit(height) };
}

function checkShape({ width, height }: Size): void {
  const ratio = Math.max(width / height, height / width);
  if (ratio <= MAX_RATIO) return;
  throw new UsageError(
    `a shape of ${width}:${height} is too long: the long side may be ${MAX_RATIO} times the short one.`,
  );
}

function checkShortSide({ width, height }: Size, drawn: Size | undefined): void {
  if (!drawn) return;
  const [requestedSide, drawnSide] = [Math.min(width, height), Math.min(drawn.width, drawn.height)];
  if (requestedSide === drawnSide) return;
  const example = width >= height ? `${drawn.width}x${drawnSide}` : `${drawnSide}x${drawn.height}`;
  throw new UsageError(
    `--size ${width}x${height}: the short side of the last stage is ${drawnSide}, for instance ${example}; ` +
      "--until chooses the stage.",
  );
}
