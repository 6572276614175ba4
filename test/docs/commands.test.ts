/** docs/commands is what the program's help says, and every command that a page shows is one that the program takes. */

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Command } from "commander";
import { commandPages } from "../../scripts/docs/command-pages.ts";
import { createProgram } from "../../src/cli/program.ts";
import { root } from "./markdown.ts";

const folder = join(root, "docs", "commands");
const pages = commandPages(await createProgram("all"));

test("there is a page for each command, and no other: npm run docs:commands writes them", () => {
  expect(readdirSync(folder).toSorted((a, b) => a.localeCompare(b))).toEqual(
    [...pages.keys()].toSorted((a, b) => a.localeCompare(b)),
  );
});

test.each([...pages])("%s is up to date: npm run docs:commands writes it", (name, page) => {
  expect(readFileSync(join(folder, name), "utf8")).toBe(page);
});

test("a page has the command's options with their defaults, its groups and examples", () => {
  const page = pages.get("txt2img.md") ?? "";
  expect(page).toContain("| `-s, --seed <list>` | of the random numbers");
  expect(page).toMatch(/^## Image$/m);
  expect(page).toMatch(/^```sh\nif-gen txt2img "/m);
  expect(pages.get("models.md")).toMatch(/^## if-gen models pull$/m);
});

describe("commands on the pages", () => {
  const shown = readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .flatMap((name) =>
      readFileSync(join(root, "docs", name), "utf8")
        .replaceAll("\\\n", " ")
        .split("\n"),
    )
    .map((line) => line.trim())
    .filter((line) => /^(\w+=\S* )*(npx )?if-gen /.test(line));

  test("there are some", () => expect(shown.length).toBeGreaterThan(40));

  test.each([...new Set(shown)])("%s", async (line) => {
    const fresh = await createProgram("all");
    let ran = false;
    const stub = (command: Command): void => {
      if (command.commands.length === 0) command.action(() => void (ran = true));
      command.commands.forEach(stub);
    };
    stub(fresh);
    const [alone = ""] = /if-gen ("[^"]*"|'[^']*'|[^|>#;&])*/.exec(line) ?? [];
    const words = wordsOf(alone).slice(1);
    if (words.some((word) => /^(--help(-all)?|--version)$/.test(word))) return;
    await fresh.parseAsync(words, { from: "user" });
    expect(ran).toBe(true);
  });
});

/** As a shell splits a line with quotes. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, plain]) => single ?? double ?? plain ?? "");
