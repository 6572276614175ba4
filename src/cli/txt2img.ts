/**
 * @module cli/txt2img
 * `if-gen txt2img PROMPT`.
 */

import type { Command } from "commander";
import { type CommonOptions, addCommonOptions } from "./options.ts";

export function addTxt2img(program: Command): void {
  const command = program
    .command("txt2img")
    .description("draw an image from text")
    .argument("[prompt]", "what the image shows, in quotes");
  addCommonOptions(command, { startsFromImage: false }).action(
    async (prompt: string | undefined, options: CommonOptions) => {
      const { runCommand } = await import("./run.ts"); // --help and --version need none of it
      await runCommand("txt2img", prompt, options);
    },
  );
}
