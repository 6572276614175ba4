/**
 * @module run/grid/image-options
 * What each image of a drawing was made with, for telling images apart.
 */

import { negativePromptsOf, imageCount, promptsOf, valueOfImage } from "../../plan/prompts.ts";
import type { Request } from "../../plan/request.ts";
import { type FlatOptions, optionsFromRequest } from "../options-from-request.ts";

/** Which image of its prompt: `--num-images`. */
export const IMAGE = "image number";

/** @returns one for each image, in their order; each of several prompts that share a generator has its own images. */
export function imageOptions(request: Request): FlatOptions[] {
  const { morePrompts, moreNegativePrompts, ...shared } = optionsFromRequest(request);
  const images = imageCount(request);
  const texts = (image: number): FlatOptions => ({
    prompt: valueOfImage(promptsOf(request), image, images),
    ...(moreNegativePrompts ? { negativePrompt: valueOfImage(negativePromptsOf(request), image, images) } : {}),
  });
  return Array.from({ length: images }, (_, image) => ({
    ...shared,
    ...(morePrompts ? texts(image) : {}),
    ...(request.numImages > 1 ? { [IMAGE]: (image % request.numImages) + 1 } : {}),
  }));
}
