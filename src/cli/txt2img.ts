/**
 * @module cli/txt2img
 * `if-gen txt2img PROMPT`.
 */

import type { Command } from "commander";
import { type CommonOptions, addCommonOptions, requestFrom } from "./options.ts";

export function addTxt2img(program: Command): void {
  const command = program
    .command("txt2img")
    .description("draw a picture from text")
    .argument("[prompt]", "what the picture shows, in quotes");
  addCommonOptions(command, { startsFromPicture: false }).action(
    async (argument: string | undefined, options: CommonOptions) => {
      const request = requestFrom("txt2img", argument, options);
      const { runRequest } = await import("./run.ts"); // --help and --version need none of it
      await runRequest(request, options);
    },
  );
}
