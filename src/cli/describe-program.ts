/**
 * @module cli/describe-program
 * The program's commands and options as plain data: what completions and the manual page are made of.
 */

import type { Command, Option } from "commander";
import { enlargingTable, sides } from "../plan/stages.ts";

export interface OptionWords {
  /** `-o, --output <file>` */
  readonly flags: string;
  /** `-o` and `--output`. */
  readonly names: readonly string[];
  readonly description: string;
  /** none: a switch. */
  readonly value: "none" | "file" | "words" | "text";
  /** What can be chosen, where `value` is words; with files, what can be given instead. */
  readonly words: readonly string[];
}

export interface CommandWords {
  /** Behind `if-gen`: none for the program itself. */
  readonly path: readonly string[];
  readonly usage: string;
  readonly description: string;
  readonly options: readonly OptionWords[];
  readonly subcommands: readonly { readonly name: string; readonly description: string }[];
}

/** @param models names that --model takes. */
export function describeProgram(program: Command, models: readonly string[]): readonly CommandWords[] {
  return describe(program, [], models);
}

function describe(command: Command, path: readonly string[], models: readonly string[]): CommandWords[] {
  const help = command.createHelp();
  const options = help
    .visibleOptions(command)
    .map((option) => optionWords(option, help.optionDescription(option), models));
  const subcommands = command.commands.map((one) => ({ name: one.name(), description: one.description() }));
  const usage = help.commandUsage(command);
  const described = { path, usage, description: command.description(), options, subcommands };
  return [described, ...command.commands.flatMap((one) => describe(one, [...path, one.name()], models))];
}

function optionWords(option: Option, description: string, models: readonly string[]): OptionWords {
  const { flags, long, short, argChoices = [], required, optional } = option;
  const names = [short, long].filter((name) => name !== undefined);
  const common = { flags, names, description };
  if (!required && !optional) return { ...common, value: "none", words: [] };
  if (argChoices.length > 0) return { ...common, value: "words", words: argChoices };
  if (long === "--until") return { ...common, value: "words", words: sides.map(String) };
  if (long === "--stages") return { ...common, value: "words", words: enlargingTable.map(({ name }) => name) };
  if (long === "--model") return { ...common, value: "file", words: models };
  return { ...common, value: /file|folder|archive/.test(flags) ? "file" : "text", words: [] };
}
