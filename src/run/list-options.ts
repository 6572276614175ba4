/**
 * @module run/list-options
 * Several prompts that share one generator, as diffusers draws `pipe(prompt=[...], generator=g)`.
 */

import { z } from "zod";
import { UsageError } from "../errors.ts";
import { imageCount, promptsOf } from "../plan/prompts.ts";
import { type Request, requestSchema } from "../plan/request.ts";

export interface ListOptions {
  /** Further prompts, drawn in one batch with `prompt`, all from one generator. @default none */
  readonly morePrompts?: readonly string[];
  /** A negative prompt for each of them. @default `negativePrompt` for all */
  readonly moreNegativePrompts?: readonly string[];
}

const { morePrompts, moreNegativePrompts } = requestSchema.shape;
const words = z.string().refine((text) => text.trim() !== "", "it is empty; say what the image should show");

export const listShape = {
  morePrompts: z.array(words).pipe(morePrompts.unwrap()).optional(),
  moreNegativePrompts: moreNegativePrompts.unwrap().optional(),
} as const;

/** Images of one batch. */
const MOST_IMAGES = 64;

/** @throws {UsageError} too many images, no first prompt, or not as many negative prompts as prompts. */
export function checkLists(request: Request): Request {
  const { prompt, morePrompts: more = [], moreNegativePrompts: negatives } = request;
  const images = imageCount(request);
  if (more.length > 0 && prompt === "") throw new UsageError("more prompts need a first one.");
  if (negatives && negatives.length !== more.length) {
    throw new UsageError(
      `${promptsOf(request).length} prompts have ${negatives.length + 1} negative prompts; give one for all, or one for each.`,
    );
  }
  if (images <= MOST_IMAGES) return request;
  throw new UsageError(`${more.length + 1} prompts make ${images} images of one batch; at most ${MOST_IMAGES} fit.`);
}
