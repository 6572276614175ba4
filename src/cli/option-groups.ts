/**
 * @module cli/option-groups
 * Which group of the help each option of a command that draws stands in. A new option needs a word here.
 */

import type { Command, Option } from "commander";

interface OptionGroup {
  readonly heading: string;
  /** In `--help`; the others are in `--help-all` alone. */
  readonly isCommon: boolean;
  /** Options by their long flags, without the dashes (`no-` included), in the order of the help. */
  readonly options: readonly (string | RegExp)[];
}

/** Most used first. */
export const optionGroups: readonly OptionGroup[] = [
  {
    heading: "Jobs:",
    isCommon: true,
    options: [
      "seeds",
      "shared-generator",
      "jobs-format",
      "chunk",
      "keep-alive",
      "upload-to",
      "fail-fast",
      "devices",
      "shard",
      "merge",
      "queue",
      "wait",
      "attempts",
      "rate",
      "lost-after",
      "until-empty",
    ],
  },
  {
    heading: "Start image:",
    isCommon: true,
    options: [
      "image",
      "style",
      "stages",
      /^tile/,
      "aug-level",
      "original",
      "mask",
      "mask-rect",
      "mask-ellipse",
      "mask-from-alpha",
      "invert-mask",
      "no-paste-back",
      "strength",
    ],
  },
  {
    heading: "Image:",
    isCommon: true,
    options: [
      "prompt",
      "negative-prompt",
      "seed",
      "num-images",
      "from-image",
      /^prompts?-(?!embeds)/,
      "long-prompt",
      /^(size|aspect-ratio)$/,
      "until",
    ],
  },
  {
    heading: "Output:",
    isCommon: true,
    options: ["output", /^output-/, "overwrite", "format", "quality", "grid"],
  },
  { heading: "Model and machine:", isCommon: true, options: ["model", "execution-provider"] },
  {
    heading: "Run:",
    isCommon: true,
    options: ["run-dir", "resume", "dry-run", "preview", "quiet", "json", "help", "help-all"],
  },
  {
    heading: "Stages:",
    isCommon: false,
    options: [
      /^variation/,
      /^more-/,
      "support-noise-less-qsample-steps",
      /^(scheduler$|guidance|positive-|thresholding-|eta$)/,
      /^stage-\d-/,
    ],
  },
  {
    heading: "Checkpoints:",
    isCommon: false,
    options: [/^upscaler/, "lora", "variant", "text-encoder-model", "models-file"],
  },
  {
    heading: "Memory and speed:",
    isCommon: false,
    options: ["budget", "ram-budget", "vram-budget", "unet-bits", /^text-encoder-/, "threads", "device-id"],
  },
  {
    heading: "Prompt cleaning, watermark, safety:",
    isCommon: false,
    options: [/^(no-)?clean-caption$/, "no-watermark", "safety"],
  },
  {
    heading: "Intermediates and reports:",
    isCommon: false,
    options: [/^save-/, "prompt-embeds", /^preview-/, "report"],
  },
];

/** For an option that no group names: it is shown, and a test tells. */
export const fallbackHeading = "Other options:";

const fallback: OptionGroup = { heading: fallbackHeading, isCommon: false, options: [] };

interface Place {
  readonly group: OptionGroup;
  /** Among all options. */
  readonly place: number;
}

const places: readonly (Place & { readonly name: string | RegExp })[] = optionGroups
  .flatMap((group) => group.options.map((name) => ({ group, name })))
  .map((row, place) => ({ ...row, place }));
const namedPlaces: ReadonlyMap<string | RegExp, Place> = new Map(places.map((row) => [row.name, row]));
const patterns = places.filter(({ name }) => name instanceof RegExp);

/** @returns its group, and its place: of the first pattern that fits it, where its name stands in no group. */
function placeOf({ long }: Option): Place {
  const name = long?.slice(2) ?? "";
  const fitting = namedPlaces.get(name) ?? patterns.find((row) => row.name instanceof RegExp && row.name.test(name));
  return fitting ?? { group: fallback, place: places.length };
}

/** Gives each option its heading, and brings them into the order of the groups. Call it once all options are there. */
export function groupOptions(command: Command): void {
  const options = command.options as Option[];
  const placed = options.map((option) => ({ option, ...placeOf(option) }));
  for (const { option, group } of placed) option.helpGroup(group.heading);
  // commander shows groups in the order of this list; the sort is stable
  options.splice(0, options.length, ...placed.sort((a, b) => a.place - b.place).map(({ option }) => option));
}

/** Is it for `--help`, not for `--help-all` alone? */
export function isCommonOption(option: Option): boolean {
  return option.helpGroupHeading === undefined || placeOf(option).group.isCommon;
}
