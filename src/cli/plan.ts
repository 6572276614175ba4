/**
 * @module cli/plan
 * `if-gen plan`: what a picture would take, before anything is loaded.
 */

import type { Command } from "commander";
import { type CommonOptions, addCommonOptions, requestFrom } from "./options.ts";

export function addPlan(program: Command): void {
  const command = program
    .command("plan")
    .description("say what txt2img would do and how much memory each stage would take")
    .argument("[prompt]", "the prompt; what it says does not change the memory");
  addCommonOptions(command, { startsFromPicture: false }).action(
    async (argument: string | undefined, options: CommonOptions) => {
      const prompt = argument ?? (options.prompt === undefined ? "a picture" : undefined);
      const request = requestFrom("txt2img", prompt, options);
      const { runRequest } = await import("./run.ts");
      await runRequest(request, { ...options, dryRun: true });
    },
  );
}
