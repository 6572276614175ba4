/**
 * @module plan/choices
 * The words that a request may use where it chooses among a few. Without zod: the command line lists them in its help.
 */

import { providerNames } from "../onnx/lower/provider-names.ts";

export const commandNames = ["txt2img", "img2img", "inpaint", "style", "upscale"] as const;
export type CommandName = (typeof commandNames)[number];

/** From what a stage starts: from noise, from an image (for a style with settings of its own), or from a part of one. */
export type StartKind = Exclude<CommandName, "upscale">;

/** What a flagged image becomes; "off": images are not looked at. */
export const safetyActions = ["black", "blur", "off"] as const;
export type SafetyAction = (typeof safetyActions)[number];

/** What becomes of a prompt that is longer than T5's 77 tokens. */
export const longPromptWays = ["truncate", "concat"] as const;
export type LongPromptWay = (typeof longPromptWays)[number];

/** What enlarges last: the x4 upscaler, an ESRGAN in its place, or one after the other. */
export const upscalerChoices = ["x4", "esrgan", "x4,esrgan"] as const;
export type UpscalerChoice = (typeof upscalerChoices)[number];

export const requestedProviders = ["auto", ...providerNames] as const;
export type RequestedProvider = (typeof requestedProviders)[number];

export const variants = ["fp32", "fp16", "8bit"] as const;

/** torch seeds its generator with the low 32 bits. */
export const MAX_SEED = 2 ** 32 - 1;
