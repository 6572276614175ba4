/**
 * @module run/metadata/input-files
 * Which files a request is drawn from, beside its model, by the options that name them.
 */

import type { Request } from "../../plan/request.ts";
import { optionsOfStageMasks, stageMaskNames } from "../mask-options.ts";

export const inputOptions = [
  "image",
  "original",
  "mask",
  ...stageMaskNames,
  "promptEmbeds",
  "lora",
  "upscalerModel",
] as const;
export type InputOption = (typeof inputOptions)[number];

export interface NamedInput {
  readonly option: InputOption;
  readonly path: string;
}

export function inputFiles({
  command,
  lowResolution,
  start,
  promptEmbeds,
  upscalerModel,
  loras = [],
}: Request): readonly NamedInput[] {
  const masks = optionsOfStageMasks(start ?? {});
  const files: readonly (readonly [InputOption, string | undefined])[] = [
    ["image", command === "upscale" ? lowResolution : start?.image],
    ["original", command === "upscale" ? start?.image : undefined],
    ["mask", start?.mask?.file],
    ...stageMaskNames.map((name) => [name, masks[name]] as const),
    ["promptEmbeds", promptEmbeds],
    ["upscalerModel", upscalerModel],
    ...loras.map(({ file }) => ["lora", file] as const),
  ];
  return files.flatMap(([option, path]) => (path === undefined ? [] : [{ option, path }]));
}
