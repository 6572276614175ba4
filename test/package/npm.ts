/** Runs npm, packs this package and installs the tarball as somebody would who has no clone. */

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Installing copies 360 MB, most of it onnxruntime for every platform; on two busy cores that takes a minute. */
export const INSTALL_TIMEOUT_MS = 300_000;

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program with this Node, and with nothing in its environment that an `npm test` around it has set.
 * @throws {Error} it failed; the message ends with its standard error.
 */
export async function run(
  program: string,
  args: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Output> {
  const outer = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_ENV$|VITEST|INIT_CWD$)/.test(name));
  const path = [dirname(process.execPath), process.env["PATH"]].join(delimiter);
  return promisify(execFile)(program, args, { cwd, env: { ...Object.fromEntries(outer), PATH: path, ...env } });
}

export const npm = (args: readonly string[], cwd: string): Promise<Output> =>
  run("npm", args, { cwd, env: { ONNXRUNTIME_NODE_INSTALL: "skip" } }); // its installer fetches CUDA's libraries

/** Of the built dist/ as it is: a build here would pull it away from the tests that run it. */
export const PACK = ["pack", "--ignore-scripts", "--json"] as const;

/** Dependencies come from npm's cache where it has them: `npm ci` has just put them there. */
const INSTALL = ["install", "--prefer-offline", "--no-audit", "--no-fund"] as const;

/** @returns the tarball, in `folder`. */
export async function pack(folder: string): Promise<string> {
  const { stdout } = await npm([...PACK, "--pack-destination", folder], root);
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  return join(folder, filename);
}

/** Installs the tarball in a project that holds nothing else. */
export async function installInProject(tarball: string, project: string): Promise<void> {
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  await npm([...INSTALL, tarball], project);
}

/** @returns the folder that would be on PATH. */
export async function installGlobally(tarball: string, prefix: string): Promise<string> {
  await npm([...INSTALL, "--global", "--prefix", prefix, tarball], prefix);
  return join(prefix, "bin");
}

/** @returns a new folder, removed at the end of the test, or when `whenDone` says: `afterAll` for one that tests share. */
export function temporaryFolder(whenDone: (remove: () => void, timeoutMs: number) => void = onTestFinished): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-package-"));
  whenDone(() => rmSync(folder, { recursive: true, force: true }), INSTALL_TIMEOUT_MS);
  return folder;
}
