/**
 * @module cli/img2img
 * `if-gen img2img --image FILE PROMPT`.
 */

import type { ProgramCommand } from "./command.ts";
import { addFromImageOption, typedNames } from "./from-image-option.ts";
import { type CommonOptions, addCommonOptions } from "./options.ts";
import { addVariationOptions } from "./variation-options.ts";
import { once } from "./values.ts";

export function defineImg2img(command: ProgramCommand): void {
  command
    .argument("[prompt]", "what the image becomes, in quotes")
    .option(
      "-i, --image <file>",
      "the image: JPEG, PNG, WebP, AVIF, TIFF or GIF, of any size; - reads standard input",
      once,
    );
  command.addExamples(
    `if-gen img2img -i examples/table.jpg "a star in neon style" -o neon.png`,
    `if-gen img2img -i photo.jpg "a watercolour" -m if-xl --strength 0.6 -o new.png`,
  );
  addVariationOptions(addFromImageOption(addCommonOptions(command, { startsFromImage: true }))).action(
    async (prompt: string | undefined, options: CommonOptions) => {
      const { runCommand } = await import("./run.ts");
      await runCommand("img2img", prompt, options, typedNames(command));
    },
  );
  command.addFullHelp();
}
