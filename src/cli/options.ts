/**
 * @module cli/options
 * The options that all drawing commands share, each checked once, with the words of the command line in its error.
 */

import { type Command, Option } from "commander";
import { type DiffusionDescription, type Side, diffusionTable, sides } from "../plan/stages.ts";
import { type ImageFormat, imageFormats } from "../image/formats.ts";
import { type EmbedsOptions, addEmbedsOptions } from "./embeds-options.ts";
import { addListOptions } from "./list-options.ts";
import { addLoraOptions } from "./lora-options.ts";
import { type MemoryOptions, addMemoryOptions } from "./memory-options.ts";
import { type ProviderOptions, addProviderOptions } from "./provider-options.ts";
import { addSharedSamplingOptions, addStageSamplingOptions } from "./sampling-options.ts";
import { type PreviewOptions, addPreviewOptions } from "./preview-options.ts";
import { addStageStartOptions, addStartOptions } from "./start-options.ts";
import { addUpscalerOptions } from "./upscaler-options.ts";
import type { VariationOptions } from "./variation-options.ts";
import { addSizeOptions, addStageSizeOptions } from "./size-options.ts";
import { decimal, integer, once, seeds, side, timesteps } from "./values.ts";
import { type SafetyAction, longPromptWays, safetyActions, variants } from "../plan/choices.ts";

/** What commander collects: the names are the flags', camelCased. */
export interface CommonOptions extends MemoryOptions, ProviderOptions, PreviewOptions, EmbedsOptions, VariationOptions {
  fromImage?: string;
  prompt?: string;
  negativePrompt: string;
  output?: string;
  outputFolder?: string;
  overwrite?: boolean;
  format?: ImageFormat;
  grid?: string;
  seed?: readonly bigint[];
  image?: string;
  mask?: string;
  numImages: number;
  model: string;
  modelsFile?: string;
  variant?: "fp32" | "fp16" | "8bit";
  until: Side;
  cleanCaption: boolean;
  watermark: boolean;
  safety?: SafetyAction;
  eta: number;
  threads?: number;
  saveStages?: string;
  dryRun?: boolean;
  /** Read configs and headers of a model that is not here from the Hub. */
  mayReadHub?: boolean;
  quiet?: boolean;
  json?: boolean;
  /** img2img, inpaint and style. */
  strength?: number;
  style?: string;
  /** upscale. */
  original?: string;
  [stageOption: `stage${number}${string}`]: unknown;
}

/** @param startsFromImage are there strengths to set? */
export function addCommonOptions(command: Command, { startsFromImage }: { startsFromImage: boolean }): Command {
  addOutputOptions(command);
  if (startsFromImage) addStartOptions(command);
  addListOptions(addUpscalerOptions(addLoraOptions(addSharedSamplingOptions(command))));
  for (const stage of diffusionTable) addStageOptions(command, stage, startsFromImage);
  return addEmbedsOptions(addPreviewOptions(addMemoryOptions(addProviderOptions(addSizeOptions(command)))))
    .addOption(
      new Option(
        "--long-prompt <way>",
        "of a prompt longer than T5's 77 tokens: truncate (default) leaves the rest out, concat embeds it in parts",
      ).choices(longPromptWays),
    )
    .option("--no-clean-caption", "do not clean the prompt as the reference does, only lower-case and trim it")
    .option("--no-watermark", "leave the model's watermark out")
    .addOption(
      new Option(
        "--safety <action>",
        "what becomes of images that the model's safety checker flags (default: black, if the model has one)",
      ).choices(safetyActions),
    )
    .option("--eta <number>", "noise that a DDIM scheduler adds, 0 to 1", decimal(0, 1), 0)
    .option("--threads <count>", "CPU threads (default: the physical cores)", integer(1, 1024))
    .option("--save-stages <folder>", "write every intermediate there, as PNG and as safetensors", once)
    .option("--dry-run", "print what would be done and end")
    .option("-q, --quiet", "print nothing but errors")
    .option("--json", "print events and the result as JSON, one a line");
}

function addOutputOptions(command: Command): void {
  command
    .option("-p, --prompt <text>", "the prompt, instead of the argument; - reads standard input", once)
    .option("-n, --negative-prompt <text>", "what the image should not show", "")
    .option("-o, --output <file>", "where to write; - is standard output (default: if-gen-<seed>.png)", once)
    .addOption(
      new Option("--format <format>", "of the image's file (default: as the end of its name says, or png)").choices(
        imageFormats,
      ),
    )
    .option("--grid <file>", "write all images as one sheet too; of several seeds or variations each is labelled", once)
    .option("--output-folder <folder>", "where to write if --output is not given (default: here)", once)
    .option("--overwrite", "replace an output file that exists")
    .option("-s, --seed <list>", "of the random numbers: 7, or several: 1,5,10-14 (default: random, reported)", seeds)
    .option("--num-images <count>", "images in one pass", integer(1, 64), 1)
    .option(
      "-m, --model <name|folder>",
      "a name of `if-gen models list`, or a folder with if-i, if-ii and x4-upscaler",
      "demo",
    )
    .option(
      "--text-encoder-model <name|folder>",
      "whose T5 encodes the prompt (default: stage 1's or, if it has none, the model's)",
    )
    .option("--models-file <file>", "more entries for --model, in the form of models.json")
    .addOption(
      new Option("--variant <variant>", "which weight files (default: the smallest that each network has)").choices(
        variants,
      ),
    )
    .option("--until <pixels>", `stop after the stage of ${sides.join(", ")} pixels`, side, sides.at(-1));
}

function addStageOptions(command: Command, stage: DiffusionDescription, startsFromImage: boolean): void {
  const { label } = stage;
  const name = `--${stage.name}`;
  command
    .option(`${name}-model <name|folder>`, `organisation/name of the Hub or a folder, for ${label} alone`)
    .option(`${name}-steps <count>`, `steps of ${label} (default: the model's)`, integer(1, 1000))
    .option(`${name}-timesteps <list>`, "a preset (fast27, smart50, ...) or numbers, instead of steps", timesteps)
    .option(`${name}-guidance <scale>`, "classifier-free guidance; 1 is off (default: the model's)", decimal(0, 1000));
  addStageSizeOptions(command, stage);
  addStageSamplingOptions(command, stage);
  if (stage.maxNoiseLevel !== undefined) {
    command.option(
      `${name}-noise-level <level>`,
      "noise on the image it enlarges (default: the model's)",
      integer(0, 999),
    );
  }
  if (stage.startStrengths && startsFromImage) addStageStartOptions(command, stage);
}
