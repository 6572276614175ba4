/**
 * @module cli/command
 * commander's commands with this program's help and errors: help is as wide as the terminal, 80 columns at most, and says
 * defaults in words; what is not valid is a UsageError like any other.
 */

import { Command, Help, Option } from "commander";
import { groupOptions, isCommonOption } from "./option-groups.ts";

const MAX_WIDTH = 80;
/** Longer terms have a line of their own. */
const MAX_TERM_WIDTH = 26;

/** Words that a command does not take, as commander says it. */
export class InvalidUsage extends Error {
  readonly command: Command;

  constructor(message: string, command: Command) {
    super(message);
    this.name = "InvalidUsage";
    this.command = command;
  }
}

export class ProgramCommand extends Command {
  /** `--help-all` was given. */
  #showsAll = false;

  override createCommand(name?: string): ProgramCommand {
    return new ProgramCommand(name);
  }

  override createHelp(): Help {
    return Object.assign(new ProgramHelp(this.#showsAll), this.configureHelp());
  }

  /** @throws {InvalidUsage} always: main.ts explains it. */
  override error(message: string): never {
    throw new InvalidUsage(message, this);
  }

  /** For commands that draw: `--help-all`, groups, the user's own defaults. Call it once the command has all its options. */
  addFullHelp(): this {
    this.addHelpOption(new Option("-h, --help", "print the most used options and end").helpGroup("Run:"));
    this.option("--help-all", "print all options and end").on("option:help-all", () => {
      this.#showsAll = true;
      this.help();
    });
    groupOptions(this);
    this.hook("preAction", async (_, command) => {
      const { applyDefaults } = await import("./defaults.ts");
      await applyDefaults(command);
    });
    return this;
  }

  /** @param lines commands of a shell, as typed. */
  addExamples(...lines: readonly string[]): this {
    return this.addHelpText("after", `\nExamples:\n${lines.map((line) => `  ${line}\n`).join("")}`.trimEnd());
  }
}

/** `if-gen models pull` */
export function nameOf(command: Command): string {
  const names: string[] = [];
  for (let one: Command | null = command; one; one = one.parent) names.unshift(one.name());
  return names.join(" ");
}

class ProgramHelp extends Help {
  readonly #showsAll: boolean;
  /** Names that a mistyped option may mean are taken from all options: only what is printed is filtered. */
  #isPrinting = false;

  constructor(showsAll: boolean) {
    super();
    this.#showsAll = showsAll;
  }

  override prepareContext(context: { error?: boolean; helpWidth?: number; outputHasColors?: boolean }): void {
    this.#isPrinting = true;
    super.prepareContext({ ...context, helpWidth: Math.min(context.helpWidth ?? MAX_WIDTH, MAX_WIDTH) });
  }

  override visibleOptions(command: Command): Option[] {
    const options = super.visibleOptions(command);
    return this.#showsAll || !this.#isPrinting ? options : options.filter(isCommonOption);
  }

  /** Without "[options]": commands whose file is not loaded have none yet. */
  override subcommandTerm(command: Command): string {
    return super.subcommandTerm(command).replace(" [options]", "");
  }

  override padWidth(command: Command, helper: Help): number {
    return Math.min(super.padWidth(command, helper), MAX_TERM_WIDTH);
  }

  override formatItem(term: string, termWidth: number, description: string, helper: Help): string {
    if (helper.displayWidth(term) <= termWidth) return super.formatItem(term, termWidth, description, helper);
    return `  ${term}\n${super.formatItem("", termWidth, description, helper)}`;
  }

  /** In this program's words where commander adds its own command. */
  override subcommandDescription(command: Command): string {
    return command.description() === "display help for command"
      ? "print the help of a command"
      : super.subcommandDescription(command);
  }

  /** The description, then in brackets what can be chosen and what holds if nothing is given. */
  override optionDescription(option: Option): string {
    const { argChoices, defaultValue, required, optional } = option;
    const [, description = option.description, describedDefault] =
      /^(.*) \(default: (.*)\)$/.exec(option.description) ?? [];
    const isTold = (required || optional) && defaultValue !== undefined && defaultValue !== "";
    const standard =
      describedDefault ?? (isTold ? (option.defaultValueDescription ?? String(defaultValue)) : undefined);
    const facts = [
      ...(argChoices ? [argChoices.join(", ")] : []),
      ...(standard === undefined ? [] : [`default: ${standard}`]),
    ];
    return facts.length === 0 ? description : `${description} (${facts.join("; ")})`;
  }
}
