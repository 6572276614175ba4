/**
 * @module plan/notes
 * What a user should know of a plan that does not follow from the words of the command.
 */

import type { Request } from "./request.ts";
import { type Size, type StageGrid, describeSizeChange } from "./stage-size.ts";

/** DeepFloyd IF License Agreement, 2c. */
const LICENSE_SENTENCE =
  "DeepFloyd's licence (2c) says that you will not " +
  '"circumvent or remove any security or protection used by Stability AI in connection with the Software"';

/** The embedded cascade is this project's own: no licence of DeepFloyd's binds it. */
const OWN_MODEL = "demo";

interface CheckpointFacts {
  readonly grids: readonly StageGrid[];
  readonly hasChecker: boolean;
  readonly hasWatermark: boolean;
}

/** @returns sentences, in the order of the run. */
export function planNotes(
  { model, watermark, safety }: Request,
  { grids, hasChecker, hasWatermark }: CheckpointFacts,
  picture: Size | undefined,
): string[] {
  const isDeepFloyds = model !== OWN_MODEL;
  const sizes = grids.map((grid, index) => picture && describeSizeChange(`stage ${index + 1}`, picture, grid));
  const notes = [
    ...sizes,
    !watermark && hasWatermark && isDeepFloyds ? `--no-watermark: ${LICENSE_SENTENCE}.` : undefined,
    watermark && !hasWatermark ? `${model} has no watermark of its own; pictures are not marked.` : undefined,
    safety === "off" && hasChecker && isDeepFloyds ? `--safety off: ${LICENSE_SENTENCE}.` : undefined,
    safety && safety !== "off" && !hasChecker
      ? `--safety ${safety}: ${model} has no safety checker; pictures are not looked at.`
      : undefined,
  ];
  return notes.filter((note) => note !== undefined);
}
