/**
 * @module machine/machine
 * What is here: the only place that asks the operating system and the environment.
 */

import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { cpus, freemem, homedir, tmpdir, totalmem } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type AvailableMemory, availableMemory } from "./available-memory.ts";
import { type Environment, type HubEnvironment, hubEnvironment } from "../hub/environment.ts";

/** Where intermediate files may lie: TMPDIR or the system's usual place. */
export function temporaryFolder(): string {
  return tmpdir();
}

/** What the environment and Python's token file say about the Hub. */
export function readHubEnvironment(): HubEnvironment {
  return hubEnvironment(process.env, homedir());
}

/** `$XDG_CONFIG_HOME/if-gen` or `~/.config/if-gen`; on Windows `%APPDATA%\if-gen`. */
export function configFolder(
  env: Environment = process.env,
  home: string = homedir(),
  system: string = process.platform,
): string {
  if (system === "win32") return join(env["APPDATA"] || join(home, "AppData", "Roaming"), "if-gen");
  return join(env["XDG_CONFIG_HOME"] || join(home, ".config"), "if-gen");
}

/** `$XDG_CACHE_HOME/if-gen` or `~/.cache/if-gen`; on Windows `%LOCALAPPDATA%\\if-gen\\cache`: what can be made again. */
export function cacheFolder(
  env: Environment = process.env,
  home: string = homedir(),
  system: string = process.platform,
): string {
  if (system === "win32") return join(env["LOCALAPPDATA"] || join(home, "AppData", "Local"), "if-gen", "cache");
  return join(env["XDG_CACHE_HOME"] || join(home, ".cache"), "if-gen");
}

export interface Hardware {
  readonly platform: string;
  readonly nodeVersion: string;
  readonly cpu: string;
  /** Hardware threads this process may see. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** A control group's limit below `memoryBytes`, as containers and batch systems set it. */
  readonly memoryLimitBytes?: number;
  readonly freeMemoryBytes: number;
}

export function readHardware(): Hardware {
  const processors = cpus();
  const memoryBytes = totalmem();
  const limit = process.constrainedMemory(); // 0, undefined or a huge number: none
  return {
    platform: `${process.platform}/${process.arch}`,
    nodeVersion: process.versions.node,
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryBytes,
    ...(limit > 0 && limit < memoryBytes ? { memoryLimitBytes: limit } : {}),
    freeMemoryBytes: process.availableMemory?.() ?? freemem(), // Node 20.13 and later know of control groups
  };
}

/** @returns what a process may still take now, control groups considered. */
export function readAvailableMemory(): AvailableMemory {
  return availableMemory(freemem());
}

/** @returns the bytes a process may have at most. */
export function usableMemoryBytes({ memoryBytes, memoryLimitBytes }: Hardware): number {
  return memoryLimitBytes ?? memoryBytes;
}

/** @returns what an ordinary user may still write where `folder` is or would be made. */
export async function freeDiskBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(nearestFolder(folder));
  return bavail * bsize;
}

/** @returns the folder itself, or the nearest one above that exists. */
export function nearestFolder(folder: string): string {
  const path = resolve(folder);
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}

/** Proxy settings that Node's own `fetch` does not follow: the names of the variables that are set. */
export function ignoredProxyVariables(env: Environment = process.env): string[] {
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= 24 && env["NODE_USE_ENV_PROXY"] === "1") return [];
  return ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].filter((name) => env[name]);
}

/**
 * The environment of a stage's process, for glibc's allocator. It is told to give large buffers back at once: by its own
 * rule it would keep more and more of them, and a stage's peak could not be predicted. And to ask for huge pages, as a step
 * takes its buffers anew: with pages of 4 kB a sixth of its time went into getting them from the kernel.
 */
export function stageEnvironment(env: Environment = process.env): Environment {
  const hugePages = "glibc.malloc.hugetlb=1"; // madvise; where huge pages are off or glibc is older, nothing changes
  const tunables = [hugePages, env["GLIBC_TUNABLES"]].filter(Boolean).join(":");
  return { MALLOC_MMAP_THRESHOLD_: String(2 ** 20), ...env, GLIBC_TUNABLES: tunables };
}

/**
 * The environment for onnxruntime-node's installer: CUDA 12 asked for, whatever npm's configuration says about
 * installing it, and without the Hub's token, which is none of its business.
 */
export function cudaInstallerEnvironment(env: Environment = process.env): Environment {
  const unwanted = /^(npm_config_)?onnxruntime_node_install(_cuda)?$|^HF_TOKEN$|^HUGGING_FACE_HUB_TOKEN$/i;
  const kept = Object.entries(env).filter(([name]) => !unwanted.test(name));
  return { ...Object.fromEntries(kept), ONNXRUNTIME_NODE_INSTALL_CUDA: "v12" };
}
