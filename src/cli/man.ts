/**
 * @module cli/man
 * `if-gen man`: the manual page, from the same commands and options as the help.
 *
 * Source: man(7), the macros TH, SH, SS, TP.
 */

import { programVersion } from "../machine/version.ts";
import type { ProgramCommand } from "./command.ts";
import type { CommandWords } from "./describe-program.ts";
import { printScript } from "./terminal.ts";

export function defineMan(command: ProgramCommand): void {
  command.addExamples("if-gen man | man -l -", "if-gen man > if-gen.1").action(async () => {
    const { createProgram, exitCodeHelp } = await import("./program.ts");
    const { describeProgram } = await import("./describe-program.ts");
    printScript(manualPage(describeProgram(await createProgram("all"), []), programVersion(), exitCodeHelp));
  });
}

/** Exported for its test. */
export function manualPage(commands: readonly CommandWords[], version: string, exitHelp: string): string {
  const exitCodes = `${exitHelp.replace(/^[^:]*:/, "").trim()}.`;
  const [program, ...others] = commands;
  return [
    `.TH IF-GEN 1 "" "if-gen ${version}" "User Commands"`,
    ".SH NAME",
    "if-gen \\- text-to-image with DeepFloyd IF",
    ".SH SYNOPSIS",
    ".B if-gen",
    ".I command",
    "[options]",
    ".SH DESCRIPTION",
    roff(program?.description ?? ""),
    ".SH COMMANDS",
    ...others.filter(({ subcommands }) => subcommands.length === 0).flatMap(commandSection),
    ".SH EXIT STATUS",
    roff(exitCodes),
    ".SH ENVIRONMENT",
    "An option that is not given takes the value of its variable: IF_GEN_MODEL for \\-\\-model. if\\-gen config list names them.",
    ".br",
    "HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_ENDPOINT and HF_HUB_OFFLINE are those of Python's huggingface_hub.",
    "",
  ].join("\n");
}

function commandSection({ usage, description, options }: CommandWords): string[] {
  return [
    `.SS ${roff(usage)}`,
    roff(`${description}.`),
    ...options.flatMap((option) => [".TP", `.B ${roff(option.flags)}`, roff(option.description)]),
  ];
}

/** A line that begins with a dot or an apostrophe would be a command of roff's. */
const roff = (text: string): string =>
  text.replaceAll(/\s+/g, " ").replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^[.']/, "\\&$&");
