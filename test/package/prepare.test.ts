/** What npm runs before a clone's own command: `npx if-gen` installs a link to the clone, and is not to build it once more. */

import { exec } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { root, temporaryFolder } from "./npm.ts";

const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: { prepare: string } };

/** @returns did it build? A build leaves a file. */
async function prepares(npmCommand: string, isBuilt: boolean): Promise<boolean> {
  const cwd = temporaryFolder();
  const build = "node -e \"fs.writeFileSync('was-built', '')\"";
  writeFileSync(join(cwd, "package.json"), JSON.stringify({ scripts: { build } }));
  if (isBuilt) {
    mkdirSync(join(cwd, "dist", "program"), { recursive: true });
    writeFileSync(join(cwd, "dist", "program", "index.js"), "");
  }
  await promisify(exec)(scripts.prepare, { cwd, env: { ...process.env, npm_command: npmCommand } });
  return existsSync(join(cwd, "was-built"));
}

describe("the script prepare", () => {
  test.each([
    ["ci", true, true],
    ["install", false, true],
    ["pack", true, true],
    ["exec", false, true],
    ["exec", true, false],
  ])("of npm %s, with a built program: %s, builds: %s", async (npmCommand, isBuilt, builds) => {
    expect(await prepares(npmCommand, isBuilt)).toBe(builds);
  });
});
