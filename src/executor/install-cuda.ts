/**
 * @module executor/install-cuda
 * onnxruntime's CUDA libraries, by onnxruntime-node's own installer. npm leaves them out: they are too large for it.
 */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { providers } from "../onnx/lower/providers.ts";
import { cudaInstallerEnvironment } from "../machine/environment.ts";

const packageFolder = dirname(fileURLToPath(import.meta.resolve("onnxruntime-node/package.json")));
const binaries = join(packageFolder, "bin", "napi-v6", process.platform, process.arch);

const { files, platforms } = providers.cuda.requirements;

/** The platforms that the installer knows CUDA libraries for. */
export const cudaPlatforms = platforms ?? [];

/** @returns those of a provider's files that do not lie beside onnxruntime's own. */
export function missingProviderFiles(names: readonly string[]): string[] {
  return names.filter((name) => !existsSync(join(binaries, name)));
}

export const missingCudaLibraries = (): string[] => missingProviderFiles(files);

/** @returns why it failed, in the installer's words; undefined: it is done. */
export function installCuda(onOutput: (text: string) => void): Promise<string | undefined> {
  const child = spawn(process.execPath, [join(packageFolder, "script", "install.js")], {
    env: cudaInstallerEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  return new Promise((resolve) => {
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => onOutput(chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code) => {
      const missing = missingCudaLibraries();
      if (code === 0 && missing.length === 0) resolve(undefined);
      else resolve(reasonIn(said) ?? `it ended with exit code ${code}, without ${missing.join(" and ")}`);
    });
  });
}

/** The line of Node's report of an uncaught error that says what happened. */
function reasonIn(text: string): string | undefined {
  return /^\w*Error: (.+)$/m.exec(text)?.[1];
}
