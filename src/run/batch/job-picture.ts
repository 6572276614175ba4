/**
 * @module run/batch/job-picture
 * A job that names a picture: what the picture's metadata say, but for what the job says itself. The command line's options
 * are for jobs that say nothing; a picture says everything.
 */

import { InputImageError, UsageError } from "../../errors.ts";
import { repeatImage } from "../metadata/from-image.ts";
import type { LowMemoryModes } from "../settings.ts";
import type { GivenOptions } from "./read-jobs.ts";

/** What a line's options are, and under which low-memory modes the picture was drawn that they come from. */
interface LineOptions {
  readonly options: GivenOptions;
  readonly lowMemory?: LowMemoryModes;
}

/** What is wrong with one job. */
export const isJobError = (error: unknown): error is UsageError | InputImageError =>
  error instanceof UsageError || error instanceof InputImageError;

/** @throws {InputImageError} the picture cannot be drawn again. */
export async function withPicture({ fromImage, ...own }: GivenOptions, defaults: GivenOptions): Promise<LineOptions> {
  if (fromImage === undefined) return { options: { ...defaults, ...own } };
  if (typeof fromImage !== "string") throw new UsageError("fromImage: give the path of a picture.");
  const { seeds, output, ...given } = own;
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

/** For counting alone: of a picture, one job for each of the job's own wildcards and seeds. */
export function withoutPicture({ fromImage, ...own }: GivenOptions, defaults: GivenOptions): Promise<LineOptions> {
  if (fromImage === undefined) return Promise.resolve({ options: { ...defaults, ...own } });
  return Promise.resolve({ options: own["seeds"] === undefined ? { ...own, seed: 0 } : own });
}

/** What stands in a picture is what was drawn: its braces are no wildcards. */
const literal = (text: unknown): unknown => (typeof text === "string" ? text.replace(/[{}|]/g, "\\$&") : text);
