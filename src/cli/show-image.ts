/**
 * @module cli/show-image
 * What an image's metadata says, as lines or as JSON. The texts are whoever's made the file: lines show one value each,
 * line ends in it as escapes.
 */

import { printable } from "../text.ts";
import { type ImageMade, readImageMade } from "../run/metadata/image-made.ts";
import { print, printJson } from "./terminal.ts";

/** Of a value on a line. */
const MAX_LENGTH = 2_000;

/** @throws {InputImageError} the file cannot be read, or says nothing. */
export async function showImage(image: string, { json = false }: { json?: boolean }): Promise<void> {
  const made = await readImageMade(image);
  if (json) printJson({ file: image, ...made });
  else print(describe(made));
}

function describe({ program, version, settings, more, ...made }: ImageMade): string {
  const { width, height } = made;
  const inputs =
    settings?.inputs.map(({ option, path, sha256 }) => [option, `${path} (sha256 ${sha256})`] as const) ?? [];
  const lines: readonly (readonly [name: string, value: string | number | undefined])[] = [
    ["program", version === undefined ? program : `${program} ${version}`],
    ["command", settings?.request.command],
    ["prompt", made.prompt],
    ["negative prompt", made.negativePrompt === "" ? undefined : made.negativePrompt],
    ["seed", made.seed],
    ["steps", made.steps],
    ["size", width === undefined || height === undefined ? undefined : `${width}x${height}`],
    ["model", made.model],
    ["sampler", made.sampler],
    ["guidance", made.guidanceScale],
    ...inputs,
    ...Object.entries(more),
  ];
  return lines
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${`${printable(name)}:`.padEnd(17)}${printable(String(value), MAX_LENGTH)}\n`)
    .join("");
}
