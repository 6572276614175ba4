/**
 * @module cli/upscale
 * `if-gen upscale IMAGE [PROMPT]`.
 */

import { type Command, InvalidArgumentError } from "commander";
import { UsageError } from "../errors.ts";
import { type DiffusionName, diffusionTable, enlargingTable } from "../plan/stages.ts";
import type { ProgramCommand } from "./command.ts";
import { typedNames } from "./from-image-option.ts";
import { type CommonOptions, addCommonOptions } from "./options.ts";
import { decimal, integer, once } from "./values.ts";
import { withoutOptions } from "./without-options.ts";

export function defineUpscale(command: ProgramCommand): void {
  command
    .argument(
      "[image]",
      "the image: JPEG, PNG, WebP, AVIF, TIFF, GIF, or a tensor in a .safetensors file; - reads standard input",
    )
    .argument("[prompt]", "what the image shows, in quotes (default: nothing)")
    .option("-i, --image <file>", "the image, instead of the argument", once);
  command.addExamples(
    "if-gen upscale small.png -o large.png",
    `if-gen upscale photo.jpg "a photo of a corgi" -m if-m -o large.png`,
    `if-gen upscale tiny.png "a red star" --stages ${names.join(",")} -o star.png`,
  );
  addUpscaleOptions(addCommonOptions(command, { startsFromImage: true }));
  withoutOptions(command, (name) => useless.includes(name) || ofOtherStages(name));
  command.action(async (image: string | undefined, prompt: string | undefined, options: CommonOptions) => {
    const { runCommand } = await import("./run.ts");
    await runCommand("upscale", prompt, { ...options, ...imageFrom(image, options.image) }, typedNames(command));
  });
  command.addFullHelp();
}

const names = enlargingTable.map(({ name }) => name);

/** Stages say what is drawn, and the image its shape. */
const useless: readonly string[] = ["until", "aspectRatio"];

const ofOtherStages = (name: string): boolean =>
  diffusionTable
    .filter((stage) => !enlargingTable.includes(stage))
    .some((stage) => name.startsWith(stage.name.replace("-", "")));

function addUpscaleOptions(command: Command): Command {
  return command
    .option(
      "--stages <list>",
      `which stages enlarge it, each fourfold: ${names.join(", ")}, or ${names.join(",")} (default: ${names.at(-1)})`,
      stages,
    )
    .option(
      "--tile <pixels>",
      "side of the tiles of large images, in pixels of what a stage is given; 0: none (default: the stage's own size)",
      integer(0, 16_384),
    )
    .option(
      "--tile-overlap <pixels>",
      "how far tiles reach into each other (default: a quarter of a tile)",
      integer(0, 16_384),
    )
    .option(
      "--aug-level <share>",
      "noise on the image, in all stages: 0 to 1, where 0.25 is a noise level of 250 (default: the model's)",
      decimal(0, 1),
    )
    .option("--original <file>", "the image that stage 2 starts from, with --strength, as img2img does", once)
    .option("--mask <file>", "an image whose white is repainted; all else stays as --original", once);
}

function stages(text: string): DiffusionName[] {
  const given = text.split(",").map((part) => part.trim());
  const found = enlargingTable.filter(({ name }) => given.includes(name));
  if (found.length === given.length) return found.map(({ name }) => name);
  throw new InvalidArgumentError(`It must be of ${names.join(" and ")}, with a comma between: ${names.join(",")}.`);
}

/** @throws {UsageError} the image is given twice. */
function imageFrom(argument: string | undefined, option: string | undefined): { image?: string } {
  if (argument !== undefined && option !== undefined) {
    throw new UsageError("the image is given twice, as an argument and with --image; give one.");
  }
  const image = argument ?? option;
  return image === undefined ? {} : { image };
}
