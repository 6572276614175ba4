/**
 * @module cli/plan
 * `if-gen plan`: what an image would take, before anything is loaded.
 */

import type { Command } from "commander";
import { type CommonOptions, addCommonOptions } from "./options.ts";

export function addPlan(program: Command): void {
  const command = program
    .command("plan")
    .description("say what txt2img would do and how much memory each stage would take")
    .argument("[prompt]", "the prompt; what it says does not change the memory");
  addCommonOptions(command, { startsFromImage: false }).action(
    async (argument: string | undefined, options: CommonOptions) => {
      const prompt = argument ?? (options.prompt === undefined ? "an image" : undefined);
      const { runCommand } = await import("./run.ts");
      await runCommand("txt2img", prompt, { ...options, dryRun: true });
    },
  );
}
