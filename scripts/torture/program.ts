/** The built program as a user starts it: in folders of its own, left to its end or ended from outside. */

import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const project = new URL("../../../", import.meta.url).pathname;
export const checkpoints = join(project, "test/golden/checkpoints");

/** Whatever it does, it answers within this time on a busy machine. */
const limitMs = 120_000;

/** The commands that draw: tiny networks, two stages. */
export const drawing: readonly string[] = [
  "txt2img", "a cat", "--model", checkpoints, "--seed", "7", "--execution-provider", "cpu", "--until", "64",
  "--stage-1-steps", "2", "--safety", "off", "-o", "cat.png",
]; // prettier-ignore

export interface Ended {
  /** As a shell says it: 128 and the signal's number for one that was killed. */
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly ms: number;
  /** It had to be killed after two minutes. */
  readonly isLate: boolean;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** To the program, or to it and its children as a terminal does. */
  readonly kill: (signal: NodeJS.Signals, group: boolean) => void;
}

export interface StartOptions {
  /** Takes the program's words as `"$@"`. */
  readonly shell?: string;
  readonly stdio?: StdioOptions;
  readonly env?: Readonly<Record<string, string>>;
}

/** Every folder that the program takes from the environment lies in `home`; it works in `home/work`. */
export function start(args: readonly string[], home: string, { shell, stdio, env }: StartOptions = {}): Running {
  const folders = { work: join(home, "work"), tmp: join(home, "tmp") };
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });
  const words = [process.execPath, join(project, "bin/if-gen.js"), ...args];
  const [program = "", ...rest] = shell === undefined ? words : ["bash", "-c", shell, "bash", ...words];
  const startMs = performance.now();
  const child = spawn(program, rest, {
    cwd: folders.work,
    stdio: stdio ?? ["ignore", "pipe", "pipe"],
    detached: true,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: home,
      TMPDIR: folders.tmp,
      HF_HOME: join(home, "huggingface"),
      XDG_CACHE_HOME: join(home, "cache"),
      ...env,
    },
  });
  const kill = (signal: NodeJS.Signals, group: boolean): void => {
    try {
      process.kill(group ? -(child.pid ?? 0) : (child.pid ?? 0), signal);
    } catch {
      // it has ended by itself
    }
  };
  return { child, kill, ended: waitFor(child, kill, startMs) };
}

export const run = (args: readonly string[], home: string, options?: StartOptions): Promise<Ended> =>
  start(args, home, options).ended;

const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGPIPE: 13,
  SIGTERM: 15,
};

async function waitFor(child: ChildProcess, kill: Running["kill"], startMs: number): Promise<Ended> {
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    kill("SIGKILL", true);
  }, limitMs);
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => resolve(status ?? 128 + (signalNumbers[signal ?? ""] ?? 0)));
  });
  clearTimeout(timer);
  return {
    code,
    stdout: Buffer.concat(stdout),
    stderr: Buffer.concat(stderr).toString(),
    ms: performance.now() - startMs,
    isLate,
  };
}

/** Waits until no process of the program's group is there. @returns false: one was still there after ten seconds. */
export async function isGroupGone({ child }: Running): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 20) {
    try {
      process.kill(-(child.pid ?? 0), 0);
    } catch {
      return true;
    }
    await sleep(20);
  }
  return false;
}

/** Every file below a folder with the hash of its content, links as they are. */
export function listTree(root: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of entriesBelow(root)) {
    const path = relative(root, entry);
    const found = lstatSync(entry);
    if (found.isSymbolicLink()) files.set(path, `-> ${readlinkSync(entry)}`);
    else if (found.isFile()) files.set(path, hashOf(entry));
    else if (readdirSync(entry).length === 0) files.set(`${path}/`, "an empty folder");
  }
  return files;
}

export const hashOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

function entriesBelow(root: string): string[] {
  const entries = readdirSync(root, { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = join(root, entry.name);
    return entry.isDirectory() ? [path, ...entriesBelow(path)] : [path];
  });
}

/** A stack or words that only a mistake of the program prints. */
export const isCrash = ({ stderr, code, isLate }: Ended): boolean =>
  isLate || code === 1 || /mistake of the program|\n\s+at .*:\d+:\d+/.test(stderr);

export const emptyFolder = (folder: string): void => {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true }); // it may be a mount
};
