/** What the program loads before it answers: its start is as quick as what it has to read. No clock is asked. */

import { readFileSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { root, runCli, temporaryFolder } from "./run-cli.ts";

interface V8Coverage {
  readonly result: readonly { readonly url: string }[];
}

/** @returns the files of the program that V8 compiled in the command's process. */
async function filesLoadedBy(args: readonly string[]): Promise<string[]> {
  const folder = temporaryFolder();
  await runCli(args, { cwd: folder, env: { NODE_V8_COVERAGE: folder, XDG_CONFIG_HOME: folder } });
  const [report = ""] = readdirSync(folder);
  const { result } = JSON.parse(readFileSync(join(folder, report), "utf8")) as V8Coverage;
  return result.filter(({ url }) => url.startsWith("file:")).map(({ url }) => fileURLToPath(url));
}

/** @returns a file of dist/program and all that it imports when it is loaded. */
function withImports(file: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(join(root, "dist", "program", file), "utf8");
  for (const [, name = ""] of text.matchAll(/^import .*?"\.\/([^"]+)";$/gm)) withImports(name, found);
  return found;
}

const bytesOf = (files: readonly string[]): number => files.reduce((sum, file) => sum + statSync(file).size, 0);

// commander and the options of all commands are 180 kB; zod with a request's schemas would be 250 kB more
test.each([
  ["--version", 5],
  ["--help", 5],
  ["txt2img --help", 5],
  ["batch --help-all", 5],
  ["txt2img a cat --stepz 3", 6],
  ["completion bash", 12],
])("%s loads little", async (words, most) => {
  const files = await filesLoadedBy(words.split(" "));
  expect(files.map((file) => basename(file))).toContain("main.js");
  expect(files.length).toBeLessThanOrEqual(most);
  expect(bytesOf(files)).toBeLessThan(270_000);
  expect(files.filter((file) => file.includes("zod"))).toEqual([]);
});

test.each(["index.js", "worker.js", "probe-worker.js"])("%s loads no command line", (entry) => {
  const files = withImports(entry);
  expect(files.size).toBeGreaterThan(3);
  expect([...files].filter((file) => file.startsWith("part-commands"))).toEqual([]);
  expect([...withImports("main.js")].some((file) => file.startsWith("part-commands"))).toBe(true);
});
