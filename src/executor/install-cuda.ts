/**
 * @module executor/install-cuda
 * onnxruntime's CUDA libraries, which npm leaves out since they are too large for it: by onnxruntime-node's own installer,
 * or from what the user has. What does not fit this onnxruntime is never left beside it: it would crash.
 */

import { spawn } from "node:child_process";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { IfGenError, OutputError, whyNotWritten } from "../errors.ts";
import { draftFolderIn, sweepDrafts } from "../files/draft.ts";
import { cudaInstallerEnvironment } from "../machine/environment.ts";
import { copyLibraries } from "../machine/copy-libraries.ts";
import { providers } from "../onnx/lower/providers.ts";
import {
  binariesFolder,
  missingProviderFiles,
  onnxruntimeVersion,
  packageFolder,
  providerFileProblem,
  requirementProblem,
} from "./provider-files.ts";

const { requirements } = providers.cuda;

/** The platforms that the installer knows CUDA libraries for. */
export const cudaPlatforms = requirements.platforms ?? [];

export const missingCudaLibraries = (): string[] => missingProviderFiles(requirements.files);

/** @returns whether the libraries are there and of onnxruntime's version. */
export const isCudaInstalled = (): boolean =>
  missingCudaLibraries().length === 0 && requirementProblem(requirements) === undefined;

/** @returns why it failed, in the installer's words; undefined: it is done. */
export async function installCuda(onOutput: (text: string) => void): Promise<string | undefined> {
  const child = spawn(process.execPath, [join(packageFolder, "script", "install.js")], {
    env: cudaInstallerEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => onOutput(chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-4000)));
  const failure = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code) =>
      resolve(code === 0 ? undefined : (reasonIn(stderr) ?? `it ended with exit code ${code}`)),
    );
  });
  const missing = missingCudaLibraries();
  if (missing.length > 0) return failure ?? `${missing.join(" and ")} did not come with it`;
  const problem = requirementProblem(requirements);
  if (problem === undefined) return failure;
  for (const name of requirements.files) await rm(join(binariesFolder, name), { force: true });
  return `${problem}; it was removed again`;
}

/** The line of Node's report of an uncaught error that says what happened. */
function reasonIn(text: string): string | undefined {
  return /^\w*Error: (.+)$/m.exec(text)?.[1];
}

/**
 * Installs the provider's libraries from a folder or an archive; a name appears in `target` only when its file is whole.
 * @param source a folder, .tgz, .tar.gz, .tar, .whl, .zip or .nupkg.
 * @throws {UsageError} the source is not there or of no kind that is read.
 * @throws {IfGenError} PROVIDER: the libraries are not in it, damaged, or of another version.
 * @throws {OutputError} they cannot be written.
 */
export async function installCudaFrom(
  source: string,
  target = binariesFolder,
  version = onnxruntimeVersion(),
): Promise<void> {
  const draft = draftFolderIn(target);
  await sweepDrafts(target); // what a killed one left
  await written(target, () => mkdir(draft));
  try {
    const found = await written(target, () => copyLibraries(source, requirements.files, draft));
    const absent = requirements.files.filter((name) => !found.includes(name));
    if (absent.length > 0) throw new IfGenError("PROVIDER", `${source} lacks ${absent.join(" and ")}.`);
    const problem = providerFileProblem(join(draft, requirements.linkedFile ?? ""), version);
    if (problem !== undefined) {
      throw new IfGenError("PROVIDER", `${source} cannot be used: ${problem.replaceAll(`${draft}/`, "its ")}.`);
    }
    for (const name of requirements.files) await written(target, () => rename(join(draft, name), join(target, name)));
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function written<T>(folder: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof IfGenError || (error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new OutputError(`${folder} cannot be written to: ${whyNotWritten(error)}.`, { cause: error });
  }
}
