/**
 * @module cli/txt2img
 * `if-gen txt2img PROMPT`.
 */

import type { ProgramCommand } from "./command.ts";
import { addFromImageOption, typedNames } from "./from-image-option.ts";
import { type CommonOptions, addCommonOptions } from "./options.ts";
import { addVariationOptions } from "./variation-options.ts";

export function defineTxt2img(command: ProgramCommand): void {
  command.argument("[prompt]", "what the image shows, in quotes");
  command.addExamples(
    `if-gen txt2img "a red car left of a house" -o car.png`,
    `if-gen txt2img 'a blue sign that says "OPEN"' -s 7 --num-images 4 -o open.png`,
    `if-gen txt2img "a corgi in a scarf" -m if-xl --run-dir corgi -o corgi.png`,
  );
  addVariationOptions(addFromImageOption(addCommonOptions(command, { startsFromImage: false }))).action(
    async (prompt: string | undefined, options: CommonOptions) => {
      const { runCommand } = await import("./run.ts"); // --help and --version need none of it
      await runCommand("txt2img", prompt, options, typedNames(command));
    },
  );
  command.addFullHelp();
}
