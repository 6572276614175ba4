/**
 * The commands of the program as pages of Markdown, one for each command of the first level, with its subcommands below.
 */

import type { Command, Help, Option } from "commander";

/** @returns the pages by their file names; `index.md` lists them. */
export function commandPages(program: Command): ReadonlyMap<string, string> {
  const pages = program.commands.map((command) => [`${command.name()}.md`, pageOf(command)] as const);
  return new Map([["index.md", indexOf(program)], ...pages]);
}

const MADE = "<!-- Made from the program's help by `npm run docs:commands`: change it there. -->";

function indexOf(program: Command): string {
  const rows = program.commands.map((command) => [
    `[if-gen ${command.name()}](${command.name()}.md)`,
    text(command.description()),
  ]);
  return [
    "# Commands",
    MADE,
    "What `if-gen COMMAND --help` prints, as pages. Exit codes, JSON, variables and the configuration file are in [scripts.md](../scripts.md).",
    table(["command", "what it does"], rows),
    "",
  ].join("\n\n");
}

function pageOf(command: Command): string {
  const below = command.commands.flatMap((one) => [`## ${nameOf(one)}`, ...sections(one, "###")]);
  return [`# ${nameOf(command)}`, MADE, ...sections(command, "##"), ...below, ""].join("\n\n");
}

/** @param level of the headings. */
function sections(command: Command, level: string): string[] {
  const help = command.createHelp();
  const commands = command.commands.map((one) => [
    `[${nameOf(one)}](#${nameOf(one).replaceAll(" ", "-")})`,
    text(one.description()),
  ]);
  return [
    sentence(command.description()),
    ...(commands.length > 0 ? [] : [fence("text", help.commandUsage(command))]),
    ...examples(command).map((lines) => fence("sh", lines)),
    ...more(command),
    ...(commands.length > 0 ? [table(["command", "what it does"], commands)] : []),
    ...argumentsOf(command, help),
    ...optionsOf(command, help, level),
  ];
}

function argumentsOf(command: Command, help: Help): string[] {
  const rows = help
    .visibleArguments(command)
    .map((argument) => [code(help.argumentTerm(argument)), text(help.argumentDescription(argument))]);
  return rows.length > 0 ? [table(["argument", "meaning"], rows)] : [];
}

/** In the groups of the help; of a command that has none, one table. */
function optionsOf(command: Command, help: Help, level: string): string[] {
  if (command.commands.length > 0) return [];
  const groups = new Map<string, Option[]>();
  for (const option of help.visibleOptions(command).filter(({ long }) => long !== "--help")) {
    const heading = option.helpGroupHeading ?? "";
    groups.set(heading, [...(groups.get(heading) ?? []), option]);
  }
  return [...groups].flatMap(([heading, options]) => [
    ...(heading === "" ? [] : [`${level} ${heading.replace(/:$/, "")}`]),
    optionTable(options, help),
  ]);
}

const optionTable = (options: readonly Option[], help: Help): string =>
  table(
    ["option", "meaning"],
    options.map((option) => [code(option.flags), text(help.optionDescription(option))]),
  );

/** What stands behind the options in the help: the examples, and what else is said. */
function partsAfter(command: Command): readonly string[] {
  let printed = "";
  command.configureOutput({ writeOut: (part) => (printed += part) });
  command.outputHelp();
  return printed
    .slice(command.helpInformation().length)
    .split(/\n{2,}/)
    .map((part) => part.replace(/^\n+|\n+$/g, ""))
    .filter((part) => part !== "");
}

const EXAMPLES = "Examples:\n";

const examples = (command: Command): string[] =>
  partsAfter(command)
    .filter((part) => part.startsWith(EXAMPLES))
    .map((part) => part.slice(EXAMPLES.length).replaceAll(/^ {2}/gm, ""));

const more = (command: Command): string[] =>
  partsAfter(command)
    .filter((part) => !part.startsWith(EXAMPLES))
    .map((part) => fence("text", part));

function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}

const sentence = (description: string): string => `${text(description[0]!.toUpperCase() + description.slice(1))}.`;

const fence = (language: string, content: string): string => `\`\`\`${language}\n${content}\n\`\`\``;

const code = (content: string): string => `\`${content.replaceAll("|", "\\|")}\``;

/** Words that Markdown, or the site, would take for marks of their own. */
const text = (content: string): string =>
  content
    .replaceAll("|", "\\|")
    .replaceAll("<", "&lt;")
    .replaceAll(/\*|_(?=\W)/g, "\\$&")
    .replaceAll("{{", "&#123;{");

const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
