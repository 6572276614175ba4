/**
 * @module cli/img2img
 * `if-gen img2img --image FILE PROMPT`.
 */

import type { Command } from "commander";
import { type CommonOptions, addCommonOptions } from "./options.ts";
import { once } from "./values.ts";

export function addImg2img(program: Command): void {
  const command = program
    .command("img2img")
    .description("redraw an image as the text says, keeping its layout and shape")
    .argument("[prompt]", "what the image becomes, in quotes")
    .option(
      "-i, --image <file>",
      "the image: JPEG, PNG, WebP, AVIF, TIFF or GIF, of any size; - reads standard input",
      once,
    );
  addCommonOptions(command, { startsFromImage: true }).action(
    async (prompt: string | undefined, options: CommonOptions) => {
      const { runCommand } = await import("./run.ts");
      await runCommand("img2img", prompt, options);
    },
  );
}
