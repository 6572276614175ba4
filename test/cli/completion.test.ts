/** Completion scripts, as the shells that are here run them. */

import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { bashScript, fishScript, powershellScript, zshScript } from "../../src/cli/completion-scripts.ts";
import { describeProgram } from "../../src/cli/describe-program.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

const commands = describeProgram(await createProgram("all"), ["demo", "if-xl"]);

const isHere = (shell: string): boolean => spawnSync(shell, ["-c", "true"]).status === 0;

/** What is typed, the last word unfinished -> words that must be among what is offered, and one that must not. */
const cases: readonly (readonly [typed: readonly string[], offered: readonly string[], not: string])[] = [
  [["if-gen", ""], ["txt2img", "models", "doctor"], "pull"],
  [["if-gen", "mod"], ["models"], "txt2img"],
  [["if-gen", "models", ""], ["pull", "list"], "txt2img"],
  [["if-gen", "txt2img", "a cat", "--stage-1-s"], ["--stage-1-steps"], "--stage-2-steps"],
  [["if-gen", "txt2img", "--until", ""], ["64", "256", "1024"], "--prompt"],
  [["if-gen", "upscale", "--stages", ""], ["stage-2", "stage-3"], "stage-1"],
  [["if-gen", "inpaint", "-m", "if"], ["if-xl"], "demo"],
  [["if-gen", "models", "pull", "if-xl", "--var"], ["--variant"], "--until"],
];

describe.skipIf(!isHere("bash"))("bash", () => {
  test.each(cases)("%j", (typed, offered, not) => {
    const script = `${bashScript(commands)}
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _if_gen; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const words = execFileSync("bash", ["-c", script, "bash", ...typed], { encoding: "utf8" }).split("\n");
    expect(words).toEqual(expect.arrayContaining([...offered]));
    expect(words).not.toContain(not);
  });
});

describe.skipIf(!isHere("zsh"))("zsh", () => {
  test.each(cases)("%j", (typed, offered, not) => {
    // what zsh's own helpers would offer, without a terminal
    const script = `compdef() { :; }; _files() { :; }
compadd() { shift; print -l -- "$@"; }
_describe() { [[ $1 == -o ]] && shift; print -l -- "\${(@P)2%%:*}"; }
${zshScript(commands)}
words=("$@"); CURRENT=$#; _if_gen`;
    const words = execFileSync("zsh", ["-f", "-c", script, "zsh", ...typed], { encoding: "utf8" })
      .split("\n")
      .filter((word) => word.startsWith(typed.at(-1) ?? ""));
    expect(words).toEqual(expect.arrayContaining([...offered]));
    expect(words).not.toContain(not);
  });
});

describe.skipIf(!isHere("fish"))("fish", () => {
  test.each(cases)("%j", (typed, offered, not) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "if-gen.fish"), fishScript(commands));
    const line = typed.map((word) => (word.includes(" ") ? `"${word}"` : word)).join(" ");
    const script = `source ${join(folder, "if-gen.fish")}; complete -C '${line}'`;
    const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder };
    const words = execFileSync("fish", ["--no-config", "-c", script], { encoding: "utf8", env, cwd: folder })
      .split("\n")
      .map((text) => text.split("\t")[0]);
    expect(words).toEqual(expect.arrayContaining([...offered]));
    expect(words).not.toContain(not);
  });
});

test("PowerShell: every command, each option once, quotes doubled", () => {
  const script = powershellScript(commands);
  for (const { path } of commands) expect(script).toContain(`'${path.map((name) => ` ${name}`).join("")}' = @(`);
  expect(script).toContain("@('--until', ");
  expect(script).toContain("the original''s untouched pixels");
  expect(script).toContain("' txt2img --until' = @('64', '256', '1024')");
});

test("the command prints them whole, and refuses another shell", async () => {
  const { stdout } = await runCli(["completion", "zsh"]);
  expect(stdout.toString()).toMatch(/^#compdef if-gen\n/);
  expect(stdout.toString()).not.toContain("…");
  expect(stdout.toString()).toContain("if-xl");
  expect(await runCli(["completion", "csh"])).toMatchObject({ code: 2 });
});
