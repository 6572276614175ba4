/**
 * @module cli/options
 * argv -> Request: the options that all picture commands share, each checked once, with the words of the command line in
 * its error.
 */

import { randomInt } from "node:crypto";
import { type Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import type { CommandName, PictureRequest, Request, SafetyAction, StageRequest } from "../plan/request.ts";
import { type MemoryOptions, addMemoryOptions } from "./memory-options.ts";
import { type ProviderOptions, addProviderOptions, checkProviderOptions } from "./provider-options.ts";
import { decimal, integer, side, strength, timesteps } from "./values.ts";
import type { Side } from "../plan/stages.ts";

/** What commander collects: the names are the flags', camelCased. */
export interface CommonOptions extends MemoryOptions, ProviderOptions {
  prompt?: string;
  negativePrompt: string;
  output?: string;
  overwrite?: boolean;
  seed?: number;
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
  quiet?: boolean;
  json?: boolean;
  /** img2img and inpaint. */
  strength?: number;
  [stageOption: `stage${number}${string}`]: unknown;
}

const MAX_SEED = 2 ** 32 - 1;

/** @param startsFromPicture are there strengths to set? */
export function addCommonOptions(command: Command, { startsFromPicture }: { startsFromPicture: boolean }): Command {
  addOutputOptions(command);
  if (startsFromPicture) {
    command.option("--strength <share>", "how far stages 1 and 2 leave the picture: above 0, to 1", strength);
  }
  for (const stage of [1, 2, 3]) addStageOptions(command, stage, startsFromPicture);
  return addMemoryOptions(addProviderOptions(command))
    .option("--no-clean-caption", "do not clean the prompt as the reference does, only lower-case and trim it")
    .option("--no-watermark", "leave the model's watermark out")
    .addOption(
      new Option(
        "--safety <action>",
        "what becomes of pictures that the model's safety checker flags (default: black, if the model has one)",
      ).choices(["black", "blur", "off"]),
    )
    .option("--eta <number>", "noise that a DDIM scheduler adds, 0 to 1", decimal(0, 1), 0)
    .option("--threads <count>", "CPU threads (default: the physical cores)", integer(1, 1024))
    .option("--save-stages <folder>", "write every intermediate there, as PNG and as safetensors")
    .option("--dry-run", "print what would be done and end")
    .option("-q, --quiet", "print nothing but errors")
    .option("--json", "print the result as JSON on standard output");
}

function addOutputOptions(command: Command): void {
  command
    .option("-p, --prompt <text>", "the prompt, instead of the argument")
    .option("-n, --negative-prompt <text>", "what the picture should not show", "")
    .option("-o, --output <file.png>", "where to write; - is standard output (default: if-gen-<seed>.png)")
    .option("--overwrite", "replace an output file that exists")
    .option("-s, --seed <integer>", `0 to ${MAX_SEED}; random if absent, always reported`, integer(0, MAX_SEED))
    .option("--num-images <count>", "pictures in one pass", integer(1, 64), 1)
    .option(
      "-m, --model <name|folder>",
      "a name of `if-gen models list`, or a folder with if-i, if-ii and x4-upscaler",
      "demo",
    )
    .option("--models-file <file>", "more entries for --model, in the form of models.json")
    .addOption(
      new Option("--variant <variant>", "which weight files (default: the smallest that each network has)").choices([
        "fp32",
        "fp16",
        "8bit",
      ]),
    )
    .option("--until <pixels>", "stop after the stage of 64, 256 or 1024 pixels", side, 1024);
}

function addStageOptions(command: Command, stage: number, startsFromPicture: boolean): void {
  const name = `--stage-${stage}`;
  command
    .option(`${name}-model <name|folder>`, `organisation/name of the Hub or a folder, for stage ${stage} alone`)
    .option(`${name}-steps <count>`, `steps of stage ${stage}`, integer(1, 1000))
    .option(
      `${name}-timesteps <list>`,
      "fast27, smart27, smart50, smart100, smart185, super27, ... or numbers",
      timesteps,
    )
    .option(`${name}-guidance <scale>`, "classifier-free guidance; 1 is off", decimal(0, 1000));
  if (stage > 1) command.option(`${name}-noise-level <level>`, "noise on the picture it enlarges", integer(0, 999));
  if (stage < 3 && startsFromPicture) {
    command.option(`${name}-strength <share>`, "how far it leaves the picture", strength);
  }
}

/**
 * @param argument the prompt as the command's argument, if given.
 * @param picture  what img2img and inpaint start from.
 * @throws {UsageError} no prompt, two prompts, or an empty one; options that do not go together.
 */
export function requestFrom(
  command: CommandName,
  argument: string | undefined,
  options: CommonOptions,
  picture?: PictureRequest,
): Request {
  const { negativePrompt, numImages, model, variant, until, cleanCaption, watermark, safety, eta, threads } = options;
  checkProviderOptions(options);
  return {
    command,
    prompt: promptFrom(argument, options.prompt),
    negativePrompt,
    seed: options.seed ?? randomInt(MAX_SEED + 1),
    numImages,
    model,
    ...(variant ? { variant } : {}),
    until,
    ...(picture ? { picture } : {}),
    stage1: stageFrom(1, options),
    stage2: stageFrom(2, options),
    stage3: stageFrom(3, options),
    cleanCaption,
    watermark,
    ...(safety ? { safety } : {}),
    eta,
    ...(threads ? { threads } : {}),
    executionProvider: options.executionProvider,
    ...(options.deviceId === undefined ? {} : { deviceId: options.deviceId }),
  };
}

function promptFrom(argument: string | undefined, option: string | undefined): string {
  if (argument !== undefined && option !== undefined) {
    throw new UsageError("the prompt is given twice, as an argument and with --prompt; give one.");
  }
  const prompt = argument ?? option;
  if (prompt === undefined) throw new UsageError('no prompt is given; write it in quotes, e.g. "a red circle".');
  if (prompt.trim() === "") throw new UsageError("the prompt is empty; say what the picture should show.");
  return prompt;
}

/** `--strength` is for both stages that start from the picture. */
function stageFrom(stage: number, options: CommonOptions): StageRequest {
  const entries = (["Steps", "Timesteps", "Guidance", "NoiseLevel", "Strength"] as const)
    .map((key): [string, unknown] => [key[0]?.toLowerCase() + key.slice(1), options[`stage${stage}${key}`]])
    .filter(([, value]) => value !== undefined);
  const common = options.strength === undefined || stage === 3 ? {} : { strength: options.strength };
  return { ...common, ...(Object.fromEntries(entries) as StageRequest) }; // each checked by its option's parser
}
