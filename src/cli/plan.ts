/**
 * @module cli/plan
 * `if-gen plan`: what an image would take, before anything is loaded.
 */

import type { ProgramCommand } from "./command.ts";
import { type CommonOptions, addCommonOptions } from "./options.ts";

export function definePlan(command: ProgramCommand): void {
  command.argument("[prompt]", "the prompt; what it says does not change the memory");
  command.addExamples(
    "if-gen plan -m if-xl",
    "if-gen plan -m if-m --until 256 --budget colab --json",
    "if-gen img2img --image photo.jpg 'a cat' --dry-run  # another command",
  );
  addCommonOptions(command, { startsFromImage: false }).action(
    async (argument: string | undefined, options: CommonOptions) => {
      const prompt = argument ?? (options.prompt === undefined ? "an image" : undefined);
      const { runCommand } = await import("./run.ts");
      await runCommand("txt2img", prompt, { ...options, dryRun: true, mayReadHub: true }, new Set());
    },
  );
  command.addFullHelp();
}
