/**
 * @module cli/completion
 * `if-gen completion SHELL`: a script for the shell, made from the commands as they are.
 */

import { Argument } from "commander";
import type { ProgramCommand } from "./command.ts";
import { printScript } from "./terminal.ts";

const shells = ["bash", "zsh", "fish", "powershell"] as const;
type Shell = (typeof shells)[number];

export function defineCompletion(command: ProgramCommand): void {
  command
    .addArgument(new Argument("<shell>", "whose").choices(shells))
    .addExamples(
      `eval "$(if-gen completion bash)"  # in ~/.bashrc`,
      `eval "$(if-gen completion zsh)"   # in ~/.zshrc, after compinit`,
      "if-gen completion fish > ~/.config/fish/completions/if-gen.fish",
      "if-gen completion powershell | Out-String | Invoke-Expression   # in $PROFILE",
    )
    .action(printCompletion);
}

async function printCompletion(shell: Shell): Promise<void> {
  const { createProgram } = await import("./program.ts");
  const { describeProgram } = await import("./describe-program.ts");
  const { modelNames } = await import("../catalog/manifest-files.ts");
  const scripts = await import("./completion-scripts.ts");
  printScript(scripts[`${shell}Script`](describeProgram(await createProgram("all"), modelNames())));
}
