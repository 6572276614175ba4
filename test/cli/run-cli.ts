/** Runs the built program as a user does: bin/if-gen.js in a process of its own. */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export interface CliRun {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface RunSettings {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Words before the program's own: what starts it. */
  readonly prefix?: readonly string[];
  /** Who runs it; the tests' own user if absent. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** @throws {Error} the program has not been built. */
export function startCli(
  args: readonly string[],
  { cwd, env, prefix = [], user }: RunSettings = {},
): ReturnType<typeof spawn> {
  if (!existsSync(join(root, "dist", "program", "main.js"))) {
    throw new Error("dist/ is missing: these tests run the built program; run `npm run build` first");
  }
  const [program = "", ...words] = [...prefix, process.execPath, join(root, "bin", "if-gen.js"), ...args];
  return spawn(program, words, {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // a process group of its own, as a shell makes: signals can be sent to all of it
    env: { ...process.env, ...env },
    ...(cwd ? { cwd } : {}),
    ...user,
  });
}

/** Starts it in `folder`, and resolves once its first stage, of two, has begun. @throws {Error} it ended before. */
export async function startUntilFirstStage(args: readonly string[], folder: string): Promise<ReturnType<typeof spawn>> {
  const child = startCli(args, { cwd: folder, env: { TMPDIR: folder } });
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on("data", (chunk: Buffer) => {
      if (/\[1\/2\] text/.test(chunk.toString())) setTimeout(resolve, 300);
    });
    child.once("close", (code) => reject(new Error(`it ended too early, with ${code}`)));
  });
  return child;
}

export function runCli(args: readonly string[], settings: RunSettings = {}): Promise<CliRun> {
  return finish(startCli(args, settings));
}

/** Waits for the end. */
export function finish(child: ReturnType<typeof spawn>): Promise<CliRun> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) =>
      resolve({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }),
    );
  });
}

/** What `--json` printed, one event a line. */
export const eventsOf = ({ stdout }: Pick<CliRun, "stdout">): Record<string, unknown>[] =>
  stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** @returns a new folder that is removed when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
