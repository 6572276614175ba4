/** A script in the place of NVIDIA's tool, for the rest of a test. */

import { chmodSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "../cli/run-cli.ts";

/** @param script for sh. @returns the folder that it runs in. */
export function withNvidiaSmi(script: string): string {
  const folder = temporaryFolder();
  const file = join(folder, "nvidia-smi");
  writeFileSync(file, `#!/bin/sh\ncd ${folder}\n${script}\n`);
  chmodSync(file, 0o755);
  const before = process.env["PATH"] ?? "";
  process.env["PATH"] = [folder, before].join(delimiter);
  onTestFinished(() => {
    process.env["PATH"] = before;
  });
  return folder;
}
