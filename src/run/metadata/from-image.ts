/**
 * @module run/metadata/from-image
 * An image of this program -> the options that draw it again. What it started from has to be there, and the same.
 */

import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputImageError, UsageError } from "../../errors.ts";
import { hashFile } from "../../files/hash-file.ts";
import type { CommandName } from "../../plan/choices.ts";
import { printable } from "../../text.ts";
import { type FlatOptions, optionsFromRequest, replaceOptions } from "../options-from-request.ts";
import type { LowMemoryModes } from "../settings.ts";
import { readImageMade } from "./image-made.ts";
import type { InputFile, ImageSettings } from "./settings-text.ts";

export interface RepeatedImage {
  readonly command: CommandName;
  readonly options: FlatOptions;
  /** Others would give other pixels. */
  readonly lowMemory: LowMemoryModes;
}

/**
 * @param given options that take the place of the image's.
 * @throws {InputImageError} the image cannot be read, is none of this program, or what it started from is missing or changed.
 */
export async function repeatImage(image: string, given: FlatOptions = {}): Promise<RepeatedImage> {
  const { program, settings } = await readImageMade(image);
  if (!settings) {
    const whose = program === "if-gen" ? "has no settings that can be drawn from" : `was made with ${program}`;
    throw new InputImageError(
      `${image} ${whose}: only what if-gen itself has drawn is repeated; if-gen show prints what it says.`,
    );
  }
  const { request, lowMemory } = settings;
  const options = replaceOptions(optionsFromRequest(request), given);
  const found = await findInputs(image, settings, options, given);
  return { command: request.command, lowMemory, options: { ...options, ...found } };
}

/** @throws {UsageError} the image is another command's. */
export function checkCommand({ command }: RepeatedImage, typedCommand: CommandName, image: string): void {
  if (command === typedCommand) return;
  throw new UsageError(`${image} was drawn by ${command}: repeat it with if-gen ${command} --from-image ${image}.`);
}

/** What is still taken from the image is looked for. */
async function findInputs(
  image: string,
  { inputs }: ImageSettings,
  options: FlatOptions,
  given: FlatOptions,
): Promise<FlatOptions> {
  const found: Record<string, unknown> = {};
  const keepsLoras = Object.keys(options).some((name) => /lora$/i.test(name) && given[name] === undefined);
  for (const input of inputs) {
    const { option, path } = input;
    if (option === "lora") {
      if (keepsLoras) await findInput(image, input, [path]); // several may have one name
    } else if (given[option] === undefined && options[option] !== undefined) {
      found[option] = await findInput(image, input);
    }
  }
  return found;
}

/** Where it was, or beside the image. */
async function findInput(
  image: string,
  { option, path, sha256 }: InputFile,
  places = [path, join(dirname(image), basename(path))],
): Promise<string> {
  let other: string | undefined;
  for (const place of places) {
    const found = await stat(place).catch(() => undefined);
    if (!found?.isFile()) continue;
    if ((await hashFile(place).catch(() => undefined)) === sha256) return place;
    other ??= place;
  }
  const wrong =
    other === undefined
      ? `${printable(path, 200)}, the ${option} that ${image} was drawn from, is not there`
      : `${printable(other, 200)} is another file than the ${option} that ${image} was drawn from`;
  throw new InputImageError(`${wrong} (sha256 ${sha256}); give that file, or another one, with ${flagOf(option)}.`);
}

const flagOf = (option: string): string => `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
