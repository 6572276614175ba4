/**
 * @module plan/notes
 * What a user should know of a plan that does not follow from the words of the command.
 */

import type { Model } from "./model.ts";
import type { Checkpoints } from "./read-checkpoints.ts";
import type { Request } from "./request.ts";
import { type Size, describeSizeChange } from "./stage-size.ts";

/** DeepFloyd IF License Agreement, 2c. */
const LICENSE_SENTENCE =
  "DeepFloyd's licence (2c) says that you will not " +
  '"circumvent or remove any security or protection used by Stability AI in connection with the Software"';

/** @returns sentences, in the order of the run. */
export function planNotes(
  { watermark, safety }: Request,
  { name, isOwn }: Model,
  { diffusion, checker, hasWatermark }: Checkpoints,
  image: Size | undefined,
): string[] {
  const sizes = diffusion.map(({ stage, grid }) => image && grid && describeSizeChange(stage.label, image, grid));
  const notes = [
    ...sizes,
    !watermark && hasWatermark && !isOwn ? `--no-watermark: ${LICENSE_SENTENCE}.` : undefined,
    watermark && !hasWatermark ? `${name} has no watermark of its own; images are not marked.` : undefined,
    safety === "off" && checker !== undefined && !isOwn ? `--safety off: ${LICENSE_SENTENCE}.` : undefined,
    safety && safety !== "off" && checker === undefined
      ? `--safety ${safety}: ${name} has no safety checker; images are not looked at.`
      : undefined,
  ];
  return notes.filter((note) => note !== undefined);
}
