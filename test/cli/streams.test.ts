/** Streams that close, devices that are full, and signals: none ends a run badly or leaves anything behind. */

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { smallModel } from "../small-model.ts";
import { finish, root, runCli, startUntilFirstStage, temporaryFolder } from "./run-cli.ts";

const program = join(root, "bin", "if-gen.js");
const tiny = ["--model", smallModel(), "--seed", "7", "--execution-provider", "cpu", "--until", "64"];
const drawing = ["txt2img", "a cat", ...tiny, "--stage-1-steps", "2", "--safety", "off"];

/** @param script with "$@" as the program and its arguments. */
function inShell(script: string, args: readonly string[], cwd: string): { status: number | null; stderr: string } {
  const env = { ...process.env, TMPDIR: cwd };
  const words = ["-c", script, "bash", process.execPath, program, ...args];
  const { status, stderr } = spawnSync("bash", words, { cwd, env, encoding: "utf8" });
  return { status, stderr };
}

describe.skipIf(process.platform === "win32")("closed and full streams", () => {
  test.each([[["--help"]], [["models", "list"]], [["txt2img", "--help"]], [[...drawing, "--dry-run"]]])(
    "%j into a reader that reads nothing ends quietly",
    (args) => {
      const run = inShell('"$@" | true; exit "${PIPESTATUS[0]}"', args, temporaryFolder());
      expect(run).toEqual({ status: 0, stderr: expect.not.stringMatching(/mistake|EPIPE| at /) as string });
    },
  );

  test("messages into a reader that stops: the image is drawn, nothing else is left", () => {
    const folder = temporaryFolder();
    const run = inShell('"$@" 2>&1 | head -n 1; exit "${PIPESTATUS[0]}"', [...drawing, "-o", "cat.png"], folder);
    expect(run.status).toBe(0);
    expect(readdirSync(folder)).toEqual(["cat.png"]);
  });

  test.skipIf(!existsSync("/dev/full"))(
    "standard output without room is code 6; standard error without room is nothing",
    () => {
      const folder = temporaryFolder();
      for (const args of [
        ["models", "list"],
        [...drawing, "-o", "-", "--quiet"],
        [...drawing, "--dry-run", "--json"],
      ]) {
        const full = inShell('"$@" > /dev/full', args, folder);
        expect(full.status).toBe(6);
        expect(full.stderr).toMatch(/^(note: .*\n)*if-gen: .*standard output.*: the disk is full[^\n]* \[OUTPUT\]\n$/);
      }
      const deaf = inShell('"$@" 2> /dev/full', [...drawing, "-o", "cat.png"], folder);
      expect(deaf.status).toBe(0);
      expect(readdirSync(folder)).toEqual(["cat.png"]);
    },
  );

  test("an image into a reader that is gone is said: it was not received", () => {
    const run = inShell('"$@" | true; exit "${PIPESTATUS[0]}"', [...drawing, "-o", "-", "--quiet"], temporaryFolder());
    expect([0, 6]).toContain(run.status); // a small image fits the pipe before its reader is gone
    expect(run.stderr).not.toMatch(/mistake| at /);
  });
});

describe.skipIf(process.platform === "win32")("signals", () => {
  const slow = ["txt2img", "a cat", ...tiny, "--stage-1-steps", "1000", "--safety", "off", "-o", "cat.png"];

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGQUIT", 131],
  ] as const)("%s to the whole group: code %i, one sentence, no file and no process is left", async (signal, code) => {
    const folder = temporaryFolder();
    const child = await startUntilFirstStage(slow, folder);
    const ended = finish(child);
    process.kill(-(child.pid ?? 0), signal);
    const run = await ended;
    expect(run.code).toBe(code);
    expect(run.stderr).toMatch(/; nothing was written\. \[\w+\]\n$/);
    expect(readdirSync(folder)).toEqual([]);
    expect(() => process.kill(-(child.pid ?? 0), 0)).toThrow(/ESRCH/);
  });

  test("what SIGKILL leaves is swept by the next run", async () => {
    const folder = temporaryFolder();
    const child = await startUntilFirstStage(slow, folder);
    const ended = finish(child);
    process.kill(child.pid ?? 0, "SIGKILL"); // the parent alone: its child ends by itself
    await ended;
    expect(readdirSync(folder)).not.toEqual([]);
    const next = await runCli([...drawing, "-o", "cat.png", "--quiet"], { cwd: folder, env: { TMPDIR: folder } });
    expect(next).toMatchObject({ code: 0, stderr: "" });
    expect(readdirSync(folder)).toEqual(["cat.png"]);
  });
});

test("escape sequences in a prompt are shown, not obeyed; in JSON the prompt is exact", async () => {
  const prompt = "a\u001b]0;title\u0007 cat \u009b31m";
  const shown = await runCli(["plan", prompt, ...tiny]);
  expect(shown.stdout.toString()).toContain("prompt   a\\u{1b}]0;title\\u{7} cat \\u{9b}31m");
  const json = (await runCli(["plan", prompt, ...tiny, "--json"])).stdout.toString();
  const controls = Array.from(json).filter(
    (sign) => sign !== "\n" && (sign < " " || (sign >= "\u007f" && sign <= "\u009f")),
  );
  expect(controls).toEqual([]);
  expect((JSON.parse(json) as { jobs: { prompt: string }[] }).jobs[0]?.prompt).toBe(prompt);
});
