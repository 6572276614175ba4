/** A folder in which the commands of the pages are run as typed: if-gen is on the PATH, examples/ is there. */

import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { root } from "./markdown.ts";

export interface Workplace {
  readonly folder: string;
  /** @throws {Error} it failed; the message has its standard error. */
  readonly run: (
    command: string,
    env?: Readonly<Record<string, string>>,
  ) => Promise<{ stdout: string; stderr: string }>;
  readonly remove: () => void;
}

export function createWorkplace(): Workplace {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-docs-"));
  const program = join(folder, "bin", "if-gen");
  mkdirSync(join(folder, "bin"));
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${join(root, "bin", "if-gen.js")}" "$@"\n`);
  chmodSync(program, 0o755);
  cpSync(join(root, "examples"), join(folder, "examples"), { recursive: true });
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "if-gen"), "dir");
  const outer = Object.entries(process.env).filter(([key]) => !/^(VITEST|HF_|HUGGING|IF_GEN|XDG_)/.test(key));
  const path = [join(folder, "bin"), process.env["PATH"]].join(delimiter);
  const base = { ...Object.fromEntries(outer), PATH: path, HOME: folder, HF_HUB_OFFLINE: "1" };
  return {
    folder,
    run: (command, env = {}) =>
      promisify(execFile)("bash", ["-euo", "pipefail", "-c", command], { cwd: folder, env: { ...base, ...env } }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
