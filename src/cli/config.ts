/**
 * @module cli/config
 * `if-gen config ...`: the user's own defaults of options.
 */

import type { ProgramCommand } from "./command.ts";
import { print, printJson, say } from "./terminal.ts";

export function defineConfig(config: ProgramCommand): void {
  config.addHelpText(
    "after",
    "\nWhat is typed goes first, then the variable (IF_GEN_MODEL for --model), then\nthe file, then the option's own default.",
  );
  config
    .command("list")
    .description("every option that may have a default, with its variable, and where its value comes from")
    .option("--json", "print it as JSON")
    .action(list);
  config
    .command("set <option> <value>")
    .description("keep a value for an option: if-gen config set model if-xl")
    .action(set);
  config.command("unset <option>").description("forget it").action(unset);
  config
    .command("path")
    .description("print where the file is")
    .action(async () => print(`${(await import("./config-file.ts")).configPath()}\n`));
}

/** @throws {UsageError} the file is not valid. */
async function list({ json }: { json?: boolean }): Promise<void> {
  const { allOptions, keyOf, variableOf } = await import("./defaults.ts");
  const { readProgramVariables } = await import("../machine/environment.ts");
  const { readConfig } = await import("./config-file.ts");
  const { formatTable } = await import("./format.ts");
  const { printTable } = await import("./print-table.ts");
  const config = await readConfig();
  const variables = readProgramVariables();
  const rows = (await allOptions()).map((option) => {
    const [key, variable] = [keyOf(option), variableOf(keyOf(option))];
    const fromVariable = variables[variable] || undefined;
    const value = fromVariable ?? config[key];
    const from = fromVariable === undefined ? (value === undefined ? "default" : "file") : "variable";
    return { option: key, variable, from, ...(value === undefined ? {} : { value }) };
  });
  if (json) printJson(rows);
  else {
    const cells = rows.map(({ option, variable, from, value }) => [option, variable, from, String(value ?? "")]);
    printTable(formatTable([["OPTION", "VARIABLE", "FROM", "VALUE"], ...cells]));
  }
}

/** @throws {UsageError} there is no such option, or it does not take the value. */
async function set(key: string, value: string): Promise<void> {
  const { allOptions, keyOf, parseDefault, unknownKey } = await import("./defaults.ts");
  const { configPath, readConfig, writeConfig } = await import("./config-file.ts");
  const options = await allOptions();
  const name = key.replace(/^--(no-)?/, "");
  const option = options.find((one) => keyOf(one) === name);
  if (!option) throw unknownKey(name, options.map(keyOf));
  const parsed = parseDefault(option, value, "if-gen config set");
  await writeConfig({ ...(await readConfig()), [name]: typeof parsed === "boolean" ? parsed : value });
  say(`${name} is ${value} from now on, in ${configPath()}\n`);
}

async function unset(key: string): Promise<void> {
  const { configPath, readConfig, writeConfig } = await import("./config-file.ts");
  const name = key.replace(/^--(no-)?/, "");
  const { [name]: before, ...rest } = await readConfig();
  if (before !== undefined) await writeConfig(rest);
  say(before === undefined ? `${configPath()} does not name ${name}\n` : `${name} has its own default again\n`);
}
