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

/** @returns its group, and its place among all options. */
function placeOf({ long }: Option): { readonly group: OptionGroup; readonly place: number } {
  let place = 0;
  for (const group of optionGroups) {
    for (const name of group.options) {
      place++;
      if (typeof name === "string" ? `--${name}` === long : name.test(long?.slice(2) ?? "")) return { group, place };
    }
  }
  return { group: fallback, place: place + 1 };
}

/** Gives each option its heading, and brings them into the order of the groups. Call it once all options are there. */
export function groupOptions(command: Command): void {
  for (const option of command.options) option.helpGroup(placeOf(option).group.heading);
  // commander shows groups in the order of this list; the sort is stable
  (command.options as Option[]).sort((a, b) => placeOf(a).place - placeOf(b).place);
}

/** Is it for `--help`, not for `--help-all` alone? */
export function isCommonOption(option: Option): boolean {
  return option.helpGroupHeading === undefined || placeOf(option).group.isCommon;
}
