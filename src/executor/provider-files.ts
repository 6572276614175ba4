/**
 * @module executor/provider-files
 * What lies beside onnxruntime's library for an execution provider, and whether it can work with it.
 */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CudaLibraries, findCudaLibraries } from "../machine/cuda-libraries.ts";
import { providerVersion, runtimeVersion } from "../machine/onnxruntime-version.ts";
import type { ExecutionProvider } from "../onnx/lower/provider-names.ts";
import { type ProviderRequirements, providers } from "../onnx/lower/providers.ts";

export const packageFolder = dirname(fileURLToPath(import.meta.resolve("onnxruntime-node/package.json")));
/** Where onnxruntime looks for its providers. */
export const binariesFolder = join(packageFolder, "bin", "napi-v6", process.platform, process.arch);

/** @returns those of a provider's files that do not lie beside onnxruntime's own. */
export function missingProviderFiles(names: readonly string[], folder = binariesFolder): string[] {
  return names.filter((name) => !existsSync(join(folder, name)));
}

/** @returns the version that a provider must have. */
export const onnxruntimeVersion = (folder = binariesFolder): string =>
  runtimeVersion(join(folder, "libonnxruntime.so.1")) ?? "unknown";

/**
 * @param linkedFile the provider's library.
 * @returns why it would crash or not load: a clause; undefined: nothing is wrong with it.
 */
export function providerFileProblem(linkedFile: string, expected = onnxruntimeVersion()): string | undefined {
  try {
    const version = providerVersion(linkedFile, expected);
    if (version === expected) return undefined;
    const whose = version === undefined ? "of a version that it does not say" : `of onnxruntime ${version}`;
    return `${linkedFile} is ${whose} and onnxruntime-node has ${expected}, with which it would crash`;
  } catch (error) {
    return `${linkedFile} cannot be used: ${(error as Error).message}`;
  }
}

/** @returns what the provider's own files lack; undefined: they are sound, or it has none. */
export function requirementProblem({ linkedFile }: ProviderRequirements): string | undefined {
  return linkedFile === undefined ? undefined : providerFileProblem(join(binariesFolder, linkedFile));
}

/** @returns the paths of the file that the loader is asked for to hear its own words; empty: there is none. */
export const linkedPaths = ({ linkedFile }: ProviderRequirements): string[] =>
  linkedFile === undefined ? [] : [join(binariesFolder, linkedFile)];

/** @returns the libraries that an installed provider is linked with; undefined: it is not installed, or says nothing. */
export function linkedLibraries({ linkedFile }: ProviderRequirements): CudaLibraries | undefined {
  if (linkedFile === undefined || process.platform !== "linux") return undefined;
  try {
    return findCudaLibraries(join(binariesFolder, linkedFile));
  } catch {
    return undefined; // whoever uses the provider says what is wrong with its file
  }
}

/** @returns the same, looked for once: a run starts several processes. */
export function librariesOf(provider: ExecutionProvider): CudaLibraries | undefined {
  return (librariesByProvider[provider] ??= linkedLibraries(providers[provider].requirements));
}

const librariesByProvider: Partial<Record<ExecutionProvider, CudaLibraries | undefined>> = {};

/** @returns folders that a process needs in LD_LIBRARY_PATH to use the provider; see machine/cuda-libraries. */
export const libraryFoldersOf = (provider: ExecutionProvider | undefined): readonly string[] =>
  provider === undefined ? [] : (librariesOf(provider)?.folders ?? []);
