/**
 * @module cli/repeat-from
 * `--from-image IMAGE`: its metadata and what was typed beside it, read once a run begins.
 */

import type { CommandName } from "../plan/choices.ts";
import type { RepeatedImage } from "../run/metadata/from-image.ts";
import type { FlatOptions } from "../run/options-from-request.ts";
import type { CommonOptions } from "./options.ts";
import { jobOptionsFrom } from "./request.ts";

/**
 * @returns undefined: no image is named.
 * @throws {InputImageError} it cannot be drawn from. @throws {UsageError} it is another command's.
 */
export async function repeatFrom(
  name: CommandName,
  options: CommonOptions,
  typed: ReadonlySet<string>,
): Promise<RepeatedImage | undefined> {
  const { fromImage } = options;
  if (fromImage === undefined) return undefined;
  const { checkCommand, repeatImage } = await import("../run/metadata/from-image.ts");
  const repeated = await repeatImage(fromImage, typedJobOptions(options, typed));
  checkCommand(repeated, name, fromImage);
  return repeated;
}

/** Prompt, image and mask have no defaults, and may have been typed as an argument or come from standard input. */
function typedJobOptions(options: CommonOptions, typed: ReadonlySet<string>): FlatOptions {
  const isTyped = (key: string): boolean => typed.has(key) || ["prompt", "image", "mask"].includes(key);
  return Object.fromEntries(Object.entries(jobOptionsFrom(options)).filter(([key]) => isTyped(key)));
}
