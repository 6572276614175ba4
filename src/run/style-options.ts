/**
 * @module run/style-options
 * What `style` is told beside img2img's options: the style in words.
 */

import { z } from "zod";
import { UsageError } from "../errors.ts";
import type { CommandName } from "../plan/choices.ts";
import { requestSchema } from "../plan/request.ts";

export interface StyleOptions {
  /** Path of the image that is redrawn. */
  readonly image: string;
  /** In words: `"in neon style"`. Where none are given, it is the prompt and the positive prompt too. */
  readonly style: string;
  /** How far stages that start from the image leave it, above 0 to 1. @default 1: less comes from stage 1's timesteps */
  readonly strength?: number;
  /** By how many timesteps less noise the image gets than the first one calls for. @default 0 */
  readonly supportNoiseLessQsampleSteps?: number;
}

export const styleShape = {
  style: z
    .string()
    .refine((text) => text.trim() !== "", 'it is empty; say it in words, e.g. "in neon style"')
    .pipe(requestSchema.shape.style.unwrap())
    .optional(),
} as const;

/** @throws {UsageError} the command `style` without one, or a style with another command. */
export function checkStyle(command: CommandName, style: string | undefined): void {
  if (command === "style" && style === undefined) {
    throw new UsageError('no style is given; write it in quotes, e.g. --style "in neon style".');
  }
  if (command !== "style" && style !== undefined) {
    throw new UsageError(`style goes with the command style, not with ${command}.`);
  }
}
