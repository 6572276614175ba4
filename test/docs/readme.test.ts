/** The README's commands, each run as a shell runs it, with fewer steps and smaller images so that they take seconds. */

import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readFences, root } from "./markdown.ts";
import { createWorkplace } from "./shell.ts";

/** Commands that are not run here, each by its beginning, with the reason. */
const exceptions: Readonly<Record<string, string>> = {
  "npm pack": "test/package packs",
  "ONNXRUNTIME_NODE_INSTALL=skip npm install -g": "test/package installs for all projects",
  "if-gen login": "it asks for a token and checks it at the Hub; test/cli/login.test.ts",
  "if-gen models pull if-m": "it asks the Hub; test/cli/models.test.ts pulls from a Hub of its own",
  'if-gen txt2img "a photo of a corgi wearing a red scarf" --model if-m': "gigabytes of weights behind a licence",
  'if-gen txt2img "a photo of a corgi wearing a red scarf" --model weights': "gigabytes of weights behind a licence",
};

const readme = readFileSync(join(root, "README.md"), "utf8");
const fences = readFences("README.md");
const commands = fences
  .filter(({ language }) => language === "sh")
  .flatMap(({ text }) => text.split("\n"))
  .filter((line) => line.trim() !== "");
const runnable = commands.filter((line) => Object.keys(exceptions).every((start) => !line.startsWith(start)));

/** What a command that draws is told first; what it says itself comes later and wins. */
const SMALL = "--until 64 --stage-1-steps 3 --stage-2-steps 2 --execution-provider cpu";

const TIMEOUT_MS = 120_000;

const { folder, run: runShell, remove } = createWorkplace();
afterAll(remove);

/** @returns the same command for an image that takes seconds. */
const small = (command: string): string =>
  command.replace(/^npx /, "").replace(/\bif-gen (txt2img|img2img|inpaint|batch|plan)\b/, `if-gen $1 ${SMALL}`);

/** The image files that a command says it writes. */
function filesOf(command: string): string[] {
  const [, output = ""] = /(?:-o|>) ([\w-]+)\.png/.exec(command) ?? [];
  const [, count = "1"] = /--num-images (\d+)/.exec(command) ?? [];
  if (output === "") return [];
  if (count === "1") return [`${output}.png`];
  return Array.from({ length: Number(count) }, (_, index) => `${output}-${index + 1}.png`);
}

describe("README.md", () => {
  test("names the command that CI takes from it, and the first image's; all others are in blocks", () => {
    const indented = readme.split("\n").filter((line) => /^ {4}\S/.test(line));
    expect(indented).toEqual([
      expect.stringMatching(/^ {4}npm ci && npx if-gen txt2img ".+" -o out\.png$/),
      "    npm ci && npm test",
    ]);
  });

  test("has each command that is not run here", () => {
    expect(Object.keys(exceptions).filter((start) => commands.every((line) => !line.startsWith(start)))).toEqual([]);
  });

  test.each(runnable)("%s", { timeout: TIMEOUT_MS }, async (command) => {
    const isDoctor = command === "if-gen doctor"; // whose exit code says how the machine is
    await runShell(isDoctor ? `${command} || [ $? = 1 ]` : small(command));
    for (const file of filesOf(command)) {
      expect(readFileSync(join(folder, file)).toString("latin1", 1, 4), file).toBe("PNG");
    }
  });

  test("the JSON that a script reads names the images", () => {
    const last = readFileSync(join(folder, "stars.json"), "utf8").trim().split("\n").at(-1) ?? "";
    const { outputs } = JSON.parse(last) as { outputs: string[] };
    expect(outputs).toEqual(["stars-1.png", "stars-2.png"]);
  });

  const programs = fences.filter(({ language }) => language === "js");
  test.each(programs.map(({ heading, text }) => [heading, text] as const))(
    "the program under %s",
    { timeout: TIMEOUT_MS },
    async (_, text) => {
      writeFileSync(join(folder, "program.mjs"), text.replace("seed: 1,", "seed: 1, stage1Steps: 3,"));
      expect(await runShell(`"${process.execPath}" program.mjs`)).toEqual({ stdout: "", stderr: "" });
      expect(readdirSync(folder)).toEqual(expect.arrayContaining(["0.png", "1.png", "2.png", "3.png"]));
    },
  );

  test("shows options that the commands have", async () => {
    const names = ["txt2img", "img2img", "inpaint", "batch", "models pull", "models show", "setup cuda"];
    const helps = await Promise.all(
      names.map((name) => runShell(`if-gen ${name} --help-all || if-gen ${name} --help`)),
    );
    const optionNames = new Set(helps.flatMap(({ stdout }) => stdout.match(/--[a-z][\w-]*/g) ?? []));
    const options = [...readme.matchAll(/(?<=[\s`])--[a-z][\w-]*/g)].map(([option]) => option);
    expect(options.length).toBeGreaterThan(20);
    expect(options.filter((option) => !optionNames.has(option) && !["--version", "--help"].includes(option))).toEqual(
      [],
    );
  });
});

describe("the pages", () => {
  const pagesIn = (place: string): string[] =>
    readdirSync(join(root, place), { recursive: place === "scripts", encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .map((name) => join(place, name))
      .filter((path) => !path.includes("node_modules"));

  test("link to files that exist, and to headings that they have", () => {
    const folders = ["docs", "docs/notebook", "docs/commands", "scripts"];
    const pages = ["README.md", "CONTRIBUTING.md", ...folders.flatMap(pagesIn)];
    expect(pages.length).toBeGreaterThan(40);
    expect(pages.flatMap(deadLinks)).toEqual([]);
  });

  test("CONTRIBUTING.md names files that exist", () => {
    const named = [...readFileSync(join(root, "CONTRIBUTING.md"), "utf8").matchAll(/`((?:[\w-]+\/)+[\w.-]*)`/g)];
    const paths = named.map(([, path = ""]) => path).filter((path) => !path.includes("NAME"));
    expect(paths.length).toBeGreaterThan(50);
    expect(paths.filter((path) => ![root, join(root, "src")].some((base) => existsSync(join(base, path))))).toEqual([]);
  });

  test("a link that leads nowhere is noticed", () => {
    expect(resolves("README.md", "docs/library.md#progress")).toBe(true);
    expect(resolves("README.md", "docs/library.md#no-such-part")).toBe(false);
    expect(resolves("docs/library.md", "README.md")).toBe(false);
  });
});

function deadLinks(page: string): string[] {
  const text = readFileSync(join(root, page), "utf8").replaceAll(/^```[^]*?^```$/gm, "");
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  return links.filter((link) => !/^[a-z]+:/.test(link) && !resolves(page, link)).map((link) => `${page}: ${link}`);
}

function resolves(page: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? join(root, page) : join(root, page, "..", path);
  if (!existsSync(target)) return false;
  if (anchor === undefined) return true;
  const headings = readFileSync(target, "utf8").match(/^#+ .+$/gm) ?? [];
  return headings.some((heading) => slugOf(heading) === anchor);
}

/** As GitHub makes anchors. */
const slugOf = (heading: string): string =>
  heading
    .replace(/^#+ /, "")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} -]/gu, "")
    .replaceAll(" ", "-");
