/**
 * @module machine/cuda-libraries
 * What onnxruntime's CUDA provider needs, read from the provider itself, and where it is. Libraries that lie outside the
 * loader's path are found too; `folders` names what has to be in LD_LIBRARY_PATH of a process that is to use them.
 */

import { dirname } from "node:path";
import type { Environment } from "../hub/environment.ts";
import { cudaFolders } from "./cuda-folders.ts";
import { type ElfFile, readElf, x86_64 } from "./elf.ts";
import { homeFolder } from "./folders.ts";
import { type FindLibrary, inFolders, systemLoader } from "./loader.ts";

export interface CudaLibraries {
  /** Of CUDA, as the provider is linked; undefined: it is linked with none. */
  readonly major?: number;
  /** What it is linked with or loads later, of CUDA, cuDNN and the driver, with all that these need in turn: name -> path. */
  readonly found: ReadonlyMap<string, string>;
  /** Names of those that are nowhere. */
  readonly missing: readonly string[];
  /** Folders that LD_LIBRARY_PATH has to gain, the loader's own first where one of them would hide the system's libraries. */
  readonly folders: readonly string[];
}

/** libcufft's version is its own: NVIDIA's release notes of CUDA 12 and 13. */
const cufftOf: Readonly<Record<number, string>> = { 12: "libcufft.so.11", 13: "libcufft.so.12" };

/** @returns the major version of CUDA that a provider with these libraries is made for. */
export function cudaMajorOf(needed: readonly string[]): number | undefined {
  const [major] = needed.flatMap((name) => /^lib(?:cublas|cudart)\.so\.(\d+)$/.exec(name)?.[1] ?? []);
  return major === undefined ? undefined : Number(major);
}

/** @returns what the provider is linked with of NVIDIA's, and what it loads when it first needs it. */
export function requiredLibraries({ needed }: Pick<ElfFile, "needed">): string[] {
  const cufft = cufftOf[cudaMajorOf(needed) ?? 0];
  const loadedLater = ["libcudnn.so.9", ...(cufft === undefined ? [] : [cufft])];
  return [...new Set([...needed.filter(isNvidias), ...loadedLater])];
}

/** cuDNN compiles some kernels with it and does without where it is missing. */
const wished = (major: number | undefined): string[] => (major === undefined ? [] : [`libnvrtc.so.${major}`]);

const isNvidias = (name: string): boolean => /^lib(?:cu|nv)[\w-]*\.so/.test(name);

export interface LibrarySearch {
  readonly loader: FindLibrary;
  /** Further folders, in the order in which they are tried. */
  readonly folders: readonly string[];
}

export function thisMachinesLibraries(env: Environment = process.env): LibrarySearch {
  return { loader: systemLoader({ env }), folders: cudaFolders(env, homeFolder(env)) };
}

/**
 * @param provider libonnxruntime_providers_cuda.so.
 * @throws {Error} the provider's file is missing or no shared library.
 */
export function findCudaLibraries(provider: string, search: LibrarySearch = thisMachinesLibraries()): CudaLibraries {
  const elf = readElf(provider);
  const major = cudaMajorOf(elf.needed);
  const found = new Map<string, string>();
  const added = new Set<string>();
  const missing = new Set<string>();
  const visit = (name: string, besides: readonly string[], isWished: boolean): void => {
    if (found.has(name) || missing.has(name)) return;
    const reachable = readable([inFolders(besides, name)]) ?? readable([search.loader(name)]);
    const place = reachable ?? readable(search.folders.map((folder) => inFolders([folder], name)));
    if (place === undefined) {
      if (!isWished) missing.add(name);
      return;
    }
    found.set(name, place.path);
    if (reachable === undefined) added.add(dirname(place.path));
    const next = place.elf.runpath.map((folder) => folder.replaceAll(/\$ORIGIN|\$\{ORIGIN\}/g, dirname(place.path)));
    for (const needed of place.elf.needed.filter(isNvidias)) visit(needed, next, isWished);
  };
  for (const name of requiredLibraries(elf)) visit(name, [], false);
  for (const name of wished(major)) visit(name, [], true);
  return {
    ...(major === undefined ? {} : { major }),
    found,
    missing: [...missing],
    folders: [...hiddenFolders(elf.needed, [...added], search.loader), ...added],
  };
}

/** @returns the first of the files that is a library of this kind of CPU. */
function readable(
  paths: readonly (string | undefined)[],
): { readonly path: string; readonly elf: ElfFile } | undefined {
  for (const path of paths) {
    try {
      const elf = path === undefined ? undefined : readElf(path);
      if (path !== undefined && elf?.machine === x86_64) return { path, elf };
    } catch {
      // a text that links to another file, another system's library, or damaged: the next one may do
    }
  }
  return undefined;
}

/**
 * conda's folder has its own C++ library: put first in LD_LIBRARY_PATH it would take the place of the system's, on which
 * Node runs. So the system's folders go before it.
 */
function hiddenFolders(needed: readonly string[], added: readonly string[], loader: FindLibrary): string[] {
  const system = needed.filter((name) => !isNvidias(name) && inFolders(added, name) !== undefined);
  return [...new Set(system.flatMap((name) => loader(name) ?? []).map(dirname))];
}

/** @returns what to install for a library: the package that usually has it. */
export function packageOf(name: string): string {
  if (name === "libcuda.so.1") return "NVIDIA's driver (in a container: run it with --gpus all)";
  if (name.startsWith("libcudnn")) return "cuDNN 9";
  return "CUDA";
}

const pipPackages: readonly (readonly [RegExp, string])[] = [
  [/^libcublas/, "cublas"],
  [/^libcudart/, "cuda-runtime"],
  [/^libcufft/, "cufft"],
  [/^libcurand/, "curand"],
  [/^libnvJitLink/, "nvjitlink"],
];

/** @returns the line that installs these libraries where they are found: as pip's packages. Undefined: pip has them not. */
export function pipLine(missing: readonly string[], major: number | undefined): string | undefined {
  if (major === undefined) return undefined;
  const suffix = major >= 13 ? "" : `-cu${major}`; // since CUDA 13 the packages carry no suffix, but for cuDNN's
  const names = missing.flatMap((name) => {
    if (name.startsWith("libcudnn")) return [`nvidia-cudnn-cu${major}`];
    const found = pipPackages.find(([pattern]) => pattern.test(name));
    return found ? [`nvidia-${found[1]}${suffix}`] : [];
  });
  return names.length === 0 ? undefined : `pip install ${[...new Set(names)].join(" ")}`;
}
