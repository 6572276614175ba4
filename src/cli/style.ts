/**
 * @module cli/style
 * `if-gen style --image FILE --style TEXT [PROMPT]`.
 */

import type { ProgramCommand } from "./command.ts";
import { addFromImageOption, typedNames } from "./from-image-option.ts";
import { type CommonOptions, addCommonOptions } from "./options.ts";
import { addVariationOptions } from "./variation-options.ts";
import { once } from "./values.ts";

export function defineStyle(command: ProgramCommand): void {
  command
    .argument("[prompt]", "what the image shows, in quotes (default: the style)")
    .option(
      "-i, --image <file>",
      "the image: JPEG, PNG, WebP, AVIF, TIFF or GIF, of any size; - reads standard input",
      once,
    )
    .option("--style <text>", 'the style in words: "in neon style"', once);
  command.addExamples(
    `if-gen style -i examples/table.jpg --style "a circle and a star in neon style"`,
    `if-gen style -i photo.jpg --style "in style of origami" "a car" -m if-xl`,
  );
  addVariationOptions(addFromImageOption(addCommonOptions(command, { startsFromImage: true }))).action(
    async (prompt: string | undefined, options: CommonOptions) => {
      const { runCommand } = await import("./run.ts");
      await runCommand("style", prompt, options, typedNames(command));
    },
  );
  command.addFullHelp();
}
