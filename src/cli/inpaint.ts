/**
 * @module cli/inpaint
 * `if-gen inpaint --image FILE --mask FILE PROMPT`.
 */

import { Option } from "commander";
import type { ProgramCommand } from "./command.ts";
import { addFromImageOption, typedNames } from "./from-image-option.ts";
import { type CommonOptions, addCommonOptions } from "./options.ts";
import { addVariationOptions } from "./variation-options.ts";
import { box, once } from "./values.ts";

export function defineInpaint(command: ProgramCommand): void {
  command
    .argument("[prompt]", "what the image shows then, in quotes")
    .option(
      "-i, --image <file>",
      "the image: JPEG, PNG, WebP, AVIF, TIFF or GIF, of any size; - reads standard input",
      once,
    )
    .option("--mask <file>", "an image whose white is repainted; it is fitted to the image", once)
    .option("--mask-rect <x,y,w,h>", "repaint this rectangle, in pixels of the image; may be repeated", box)
    .option("--mask-ellipse <x,y,w,h>", "repaint the ellipse in this rectangle; may be repeated", box)
    .addOption(
      new Option(
        "--mask-from-alpha [what]",
        "take the mask from the alpha channel of --mask or, without it, of the image: what is transparent or opaque is repainted",
      )
        .choices(["auto", "transparent", "opaque"])
        .preset("auto"),
    )
    .option("--stage-1-mask <file>", "what stage 1 repaints, in place of --mask; read as it is", once)
    .option("--stage-2-mask <file>", "the same for stage 2", once)
    .option("--invert-mask", "repaint all but the mask")
    .option("--no-paste-back", "do not put the original's untouched pixels back over the result");
  command.addExamples(
    `if-gen inpaint -i examples/sign.png --mask-rect 24,148,466,206 \\`,
    `  'a red sign that says "SHUT" on a yellow background' -o shut.png`,
    `if-gen inpaint -i examples/sign.png --mask examples/mask.png "a sign" -o a.png`,
  );
  addVariationOptions(addFromImageOption(addCommonOptions(command, { startsFromImage: true }))).action(
    async (prompt: string | undefined, options: CommonOptions) => {
      const { runCommand } = await import("./run.ts");
      await runCommand("inpaint", prompt, options, typedNames(command));
    },
  );
  command.addFullHelp();
}
