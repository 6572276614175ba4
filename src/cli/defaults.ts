/**
 * @module cli/defaults
 * Values of options that were not typed: the variable IF_GEN_MODEL for --model, else config.json's "model", else the
 * option's own default. Only for options that make sense from one run to the next.
 */

import { type Command, InvalidArgumentError, type Option } from "commander";
import { UsageError } from "../errors.ts";
import { readProgramVariables } from "../machine/environment.ts";
import { nearestName } from "../weights/nearest-name.ts";
import { type ConfigValue, configPath, readConfig } from "./config-file.ts";

/** They belong to one image, or to one run. */
const perRun =
  /^(prompt.*|more-.*|image|from-image|original|style|mask.*|stage-\d-mask|invert-mask|output|grid|report|save-.*|run-dir|seeds|shared-generator|shard|merge|queue|wait|until-empty|output-dir|resume|dry-run|overwrite|variation.*|help.*)$/;

/** `model`, `watermark` of --no-watermark. */
export const keyOf = (option: Option): string => (option.long ?? "").replace(/^--(no-)?/, "");

export const variableOf = (key: string): string => `IF_GEN_${key.replaceAll("-", "_").toUpperCase()}`;

/** @returns the options of a command that may have a default of the user's. */
export const optionsWithDefaults = (command: Command): readonly Option[] =>
  command.options.filter((option) => !perRun.test(keyOf(option)));

/** Call it once the command line is read. @throws {UsageError} a value or a name is not valid: says where it stands. */
export async function applyDefaults(command: Command): Promise<void> {
  const config = await readConfig();
  const variables = readProgramVariables();
  await checkKeys(Object.keys(config), command);
  for (const option of optionsWithDefaults(command)) {
    const key = keyOf(option);
    const name = option.attributeName();
    if (!["default", undefined].includes(command.getOptionValueSource(name))) continue;
    const variable = variables[variableOf(key)];
    const [value, place] =
      variable !== undefined && variable !== "" ? [variable, variableOf(key)] : [config[key], configPath()];
    if (value === undefined) continue;
    command.setOptionValueWithSource(name, parseDefault(option, value, place), "config");
  }
}

/** @param place where it stands, for the error. @throws {UsageError} it is not valid. */
export function parseDefault(option: Option, value: ConfigValue, place: string): unknown {
  const key = keyOf(option);
  if (!option.required && !option.optional) {
    const word = String(value).toLowerCase();
    if (["1", "true", "yes", "on"].includes(word)) return true;
    if (["0", "false", "no", "off"].includes(word)) return false;
    throw new UsageError(`${place}: ${key} is ${String(value)}; it must be true or false.`);
  }
  try {
    return option.parseArg ? option.parseArg(String(value), undefined) : String(value);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new UsageError(`${place}: ${key} is ${String(value)}. ${error.message.replace(/\.$/, "")}.`, {
      cause: error,
    });
  }
}

/** A key may be another command's. */
async function checkKeys(keys: readonly string[], command: Command): Promise<void> {
  const commandKeys = new Set(optionsWithDefaults(command).map(keyOf));
  if (keys.every((key) => commandKeys.has(key))) return;
  const all = new Set((await allOptions()).map(keyOf));
  for (const key of keys) if (!all.has(key)) throw unknownKey(key, all);
}

/** @returns every option of the commands that draw that may have a default, each key once. */
export async function allOptions(): Promise<readonly Option[]> {
  const { createProgram } = await import("./program.ts");
  const program = await createProgram("all");
  const drawing = program.commands.filter(({ options }) => options.some(({ long }) => long === "--help-all"));
  return [...new Map(drawing.flatMap(optionsWithDefaults).map((option) => [keyOf(option), option])).values()];
}

export function unknownKey(key: string, validKeys: Iterable<string>): UsageError {
  const nearest = nearestName(key, validKeys);
  const hint = nearest === undefined ? "if-gen config list names them all" : `did you mean ${nearest}?`;
  const text = `${configPath()}: no option that may have a default is called ${key}; ${hint}`;
  return new UsageError(text.endsWith("?") ? text : `${text}.`);
}
