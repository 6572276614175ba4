/** Help of every command: complete, in 80 columns, with examples that the commands take. */

import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { fallbackHeading } from "../../src/cli/option-groups.ts";
import { createProgram } from "../../src/cli/program.ts";
import { runCli } from "./run-cli.ts";

const program = await createProgram("all");
const drawing = ["txt2img", "img2img", "inpaint", "upscale", "batch", "plan"];

/** @param words of one command, e.g. ["models", "pull"]. */
const helpOf = async (...words: string[]): Promise<string> => (await runCli(words)).stdout.toString();

/** Every command by its words, with all below it. */
function commandsOf(command: Command, words: readonly string[] = []): [words: readonly string[], command: Command][] {
  return [[words, command], ...command.commands.flatMap((one) => commandsOf(one, [...words, one.name()]))];
}

const commands = commandsOf(program);

test("all commands are there", () => {
  expect(commands.map(([words]) => words.join(" "))).toEqual(
    expect.arrayContaining(["txt2img", "plan", "models pull", "cache rm", "setup cuda", "whoami"]),
  );
});

test.each(commands.map(([words, command]) => [words.join(" ") || "if-gen", command] as const))(
  "%s: no line is longer than 80 columns",
  (_, command) => {
    let text = "";
    command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 200 });
    command.outputHelp();
    expect(text).toContain("Usage: if-gen");
    expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
  },
);

describe.each(drawing)("%s", (name) => {
  const command = program.commands.find((one) => one.name() === name);

  test("every option stands in a group", () => {
    const groups = command?.options.map(({ long, helpGroupHeading }) => [long, helpGroupHeading]) ?? [];
    expect(groups.length).toBeGreaterThan(30);
    expect(groups.filter(([, heading]) => heading === undefined || heading === fallbackHeading)).toEqual([]);
  });
});

test.each([
  ["help models pull", /^Usage: if-gen models pull .*<name>/],
  ["models help pull", /^Usage: if-gen models pull .*<name>/],
  ["help txt2img", /^Usage: if-gen txt2img/],
  ["help", /^Usage: if-gen \[options\] \[command\]/],
])("%s", async (words, usage) => {
  const typed = words.split(" ");
  const fresh = await createProgram(typed);
  let text = "";
  for (const [, command] of commandsOf(fresh)) command.configureOutput({ writeOut: (part) => (text += part) });
  await expect(fresh.parseAsync(typed, { from: "user" })).rejects.toMatchObject({ exitCode: 0 });
  expect(text).toMatch(usage);
});

test("help of a command that does not exist is refused", async () => {
  const fresh = await createProgram(["models"]);
  await expect(fresh.parseAsync(["help", "models", "pul"], { from: "user" })).rejects.toThrow(
    /if-gen models has no command 'pul'/,
  );
});

test("--help has the most used options, --help-all has all of them, each with its default", async () => {
  const [short, full] = [await helpOf("txt2img", "--help"), await helpOf("txt2img", "--help-all")];
  expect(short).toMatch(/^Image:\n {2}-p, --prompt/m);
  expect(short).toContain("(default: demo)");
  expect(short).not.toContain("--stage-1-steps");
  expect(short.split("\n").length).toBeLessThan(66);
  const options = program.commands.find((one) => one.name() === "txt2img")?.options ?? [];
  expect(options.filter(({ long }) => !full.includes(long ?? "?"))).toEqual([]);
  expect(full).toContain("(fp32, fp16, 8bit; default: the\n");
  expect(full).not.toContain('default: ""');
  expect(full.split("\n").filter((line) => line.length > 80)).toEqual([]);
});

describe("examples", () => {
  const examples = commands.flatMap(([, command]) => examplesOf(command));

  test("every command that draws has some", () => {
    for (const name of drawing) expect(examples.some((line) => line.startsWith(`if-gen ${name} `))).toBe(true);
  });

  test.each(examples)("%s", async (line) => {
    const fresh = await createProgram("all");
    let ran = false;
    for (const [, command] of commandsOf(fresh)) {
      if (command.commands.length === 0) command.action(() => void (ran = true));
    }
    const [alone = ""] = /if-gen [^)|>#]*/.exec(line) ?? []; // of a pipe, a redirection or $(...)
    const argv = wordsOf(alone).slice(1);
    if (argv.includes("--help")) return;
    await fresh.parseAsync(argv, { from: "user" });
    expect(ran).toBe(true);
  });
});

/** The lines below "Examples:", each with its continuation. */
function examplesOf(command: Command): string[] {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  const [, after = ""] = text.split("\nExamples:\n");
  const [block = ""] = after.split("\n\n");
  const lines = block.replaceAll("\\\n", "").split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}

/** As a shell splits a line with quotes. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, plain]) => single ?? double ?? plain ?? "");
