/**
 * @module cli/upscale
 * `if-gen upscale IMAGE [PROMPT]`.
 */

import { type Command, InvalidArgumentError } from "commander";
import { UsageError } from "../errors.ts";
import { type DiffusionName, diffusionTable, enlargingTable } from "../plan/stages.ts";
import type { ProgramCommand } from "./command.ts";
import { addFromImageOption, typedNames } from "./from-image-option.ts";
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
  addFromImageOption(addUpscaleOptions(addCommonOptions(command, { startsFromImage: true })));
  withoutOptions(command, (name) => useless.includes(name) || isOwnSize(name) || ofOtherStages(name));
  command.action(async (first: string | undefined, second: string | undefined, options: CommonOptions) => {
    const { runCommand } = await import("./run.ts");
    // a strength that the user keeps for img2img does not concern an upscale without an original
    const isKept = command.getOptionValueSource("strength") === "config" && options.original === undefined;
    const { strength, ...others } = options;
    const given = isKept || strength === undefined ? others : options;
    const { image, prompt } = argumentsFrom(first, second, options.image);
    await runCommand("upscale", prompt, { ...given, ...(image === undefined ? {} : { image }) }, typedNames(command));
  });
  command.addFullHelp();
}

const names = enlargingTable.map(({ name }) => name);

/** Stages say what is drawn, and the image its shape. */
const useless: readonly string[] = ["until", "aspectRatio"];

const isOwnSize = (name: string): boolean => /^stage\d(Width|Height)$/.test(name);

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

/** With --image, the one argument is the prompt. @throws {UsageError} the image is given twice. */
function argumentsFrom(
  first: string | undefined,
  second: string | undefined,
  option: string | undefined,
): { readonly image: string | undefined; readonly prompt: string | undefined } {
  if (option === undefined) return { image: first, prompt: second };
  if (second === undefined) return { image: option, prompt: first };
  throw new UsageError("the image is given twice, as an argument and with --image; give one.");
}
