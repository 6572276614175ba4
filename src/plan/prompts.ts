/**
 * @module plan/prompts
 * The texts of a request and of a job, one for each of what is drawn in one batch.
 */

import type { Job } from "./plan.ts";
import type { Request } from "./request.ts";

/** @returns the first prompt: with a style and no words of its own the style. */
export const promptOf = ({ prompt, style = "" }: Pick<Request, "prompt" | "style">): string =>
  prompt === "" ? style : prompt;

/** @returns what is mixed into the guidance of stages 1 and 2: with a style and no words of its own the style. */
export const positivePromptOf = ({
  positivePrompt,
  style,
}: Pick<Request, "positivePrompt" | "style">): string | undefined => positivePrompt ?? style;

/** @returns how many images are drawn in one batch. */
export const imageCount = ({ numImages, morePrompts = [] }: Pick<Request, "numImages" | "morePrompts">): number =>
  numImages * (1 + morePrompts.length);

type Prompts = Pick<Job, "prompt" | "morePrompts">;
type NegativePrompts = Pick<Job, "negativePrompt" | "moreNegativePrompts">;

export const promptsOf = ({ prompt, morePrompts = [] }: Prompts): string[] => [prompt, ...morePrompts];

/** @returns one for all prompts, or one for each. */
export const negativePromptsOf = ({ negativePrompt, moreNegativePrompts = [] }: NegativePrompts): string[] => [
  negativePrompt,
  ...moreNegativePrompts,
];

/** @param values one for all images, or one for each equal share of them, in order. @returns the image's. */
export const valueOfImage = <T>(values: readonly T[], image: number, images: number): T =>
  values[Math.floor((image * values.length) / images)]!;

export type JobTexts = Prompts & Pick<Job, "positivePrompt" | "style">;

/** @returns the texts of a job's `prompt_embeds`, row by row: the prompts and, where they are given, what is mixed in and the style. */
export const promptTexts = ({ positivePrompt, style, ...prompts }: JobTexts): string[] =>
  [...promptsOf(prompts), positivePrompt, style].filter((text) => text !== undefined);
