/**
 * @module run/batch/image-settings
 * A job that names an image: what the image's metadata say, but for what the job says itself. The command line's options
 * are for jobs that say nothing; an image says everything.
 */

import { InputImageError, UsageError } from "../../errors.ts";
import { repeatImage } from "../metadata/from-image.ts";
import type { LowMemoryModes } from "../settings.ts";
import type { GivenOptions } from "./read-jobs.ts";

/** What a line's options are, and under which low-memory modes the image was drawn that they come from. */
interface LineOptions {
  readonly options: GivenOptions;
  readonly lowMemory?: LowMemoryModes;
}

/** What is wrong with one job. */
export const isJobError = (error: unknown): error is UsageError | InputImageError =>
  error instanceof UsageError || error instanceof InputImageError;

/** @throws {InputImageError} the image cannot be drawn again. */
export async function withImageSettings(
  { fromImage, ...lineOptions }: GivenOptions,
  defaults: GivenOptions,
): Promise<LineOptions> {
  if (fromImage === undefined) return { options: { ...defaults, ...lineOptions } };
  if (typeof fromImage !== "string") throw new UsageError("fromImage: give the path of an image.");
  const { seeds, output, ...given } = lineOptions;
  const { options, lowMemory } = await repeatImage(fromImage, given);
  const { seed, prompt, negativePrompt, ...rest } = options;
  return {
    lowMemory,
    options: {
      ...rest,
      prompt: given["prompt"] ?? literal(prompt),
      negativePrompt: given["negativePrompt"] ?? literal(negativePrompt),
      ...(seeds === undefined ? { seed } : { seeds }),
      ...(output === undefined ? {} : { output }),
    },
  };
}

/** For counting alone: of an image, one job for each of the job's own wildcards and seeds. */
export function withoutImageSettings(
  { fromImage, ...lineOptions }: GivenOptions,
  defaults: GivenOptions,
): Promise<LineOptions> {
  if (fromImage === undefined) return Promise.resolve({ options: { ...defaults, ...lineOptions } });
  return Promise.resolve({ options: lineOptions["seeds"] === undefined ? { ...lineOptions, seed: 0 } : lineOptions });
}

/** What stands in an image is what was drawn: its braces are no wildcards. */
const literal = (text: unknown): unknown => (typeof text === "string" ? text.replace(/[{}|]/g, "\\$&") : text);
