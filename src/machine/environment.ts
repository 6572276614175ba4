/**
 * @module machine/environment
 * The environment variables: read here and nowhere else.
 */

import { type Environment, type HubEnvironment, hubEnvironment } from "../hub/environment.ts";
import { ignoredProxies, proxyStep } from "../hub/proxy.ts";
import { homeFolder } from "./folders.ts";
import { libraryPath } from "./loader.ts";

/** What the environment and Python's token file say about the Hub. */
export function readHubEnvironment(): HubEnvironment {
  return hubEnvironment(process.env, homeFolder());
}

/** The program's own variables, `IF_GEN_...`: defaults of options. */
export function readProgramVariables(env: Environment = process.env): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith("IF_GEN_")));
}

/** What to say of proxies that are set for the Hub and not followed. */
export function ignoredProxy(
  endpoint: string,
  env: Environment = process.env,
): { readonly names: readonly string[]; readonly step: string } | undefined {
  const names = ignoredProxies(env, endpoint);
  return names.length === 0 ? undefined : { names, step: proxyStep(env, names) };
}

/** Of every child process. onnxruntime's builds report to Microsoft unless they are told not to. */
export const childEnvironment = (env: Environment = process.env): Environment => ({
  ORT_DISABLE_TELEMETRY: "1",
  ...env,
});

/**
 * The environment of a stage's process, for glibc's allocator. It is told to give large buffers back at once: by its own
 * rule it would keep more and more of them, and a stage's peak could not be predicted. And to ask for huge pages, as a step
 * takes its buffers anew: with pages of 4 kB a sixth of its time went into getting them from the kernel.
 * @param libraryFolders where the provider's libraries are that the loader would not find; see {@link libraryEnvironment}.
 */
export function stageEnvironment(libraryFolders: readonly string[] = [], env: Environment = process.env): Environment {
  const hugePages = "glibc.malloc.hugetlb=1"; // madvise; where huge pages are off or glibc is older, nothing changes
  const tunables = [hugePages, env["GLIBC_TUNABLES"]].filter(Boolean).join(":");
  return {
    MALLOC_MMAP_THRESHOLD_: String(2 ** 20),
    ...libraryEnvironment(libraryFolders, env),
    GLIBC_TUNABLES: tunables,
  };
}

/**
 * The environment of a process that loads a GPU's libraries: the loader reads LD_LIBRARY_PATH when a process starts, so
 * that nobody has to set it before. What is in it already comes first. CUDA numbers the GPUs as nvidia-smi does.
 */
export function libraryEnvironment(libraryFolders: readonly string[], env: Environment = process.env): Environment {
  const folders = [...new Set([...libraryPath(env), ...libraryFolders])];
  const ordered = { CUDA_DEVICE_ORDER: "PCI_BUS_ID", ...env };
  return libraryFolders.length === 0 ? ordered : { ...ordered, LD_LIBRARY_PATH: folders.join(":") };
}

/** @returns what decides which libraries a GPU's program finds and which GPUs it sees, sorted by name. */
export const gpuVariables = (env: Environment = process.env): readonly (readonly [string, string | undefined])[] =>
  Object.entries(env)
    .filter(([name]) => /^(CUDA|CUDNN|LD|NVIDIA|ORT)_/.test(name))
    .sort(([a], [b]) => a.localeCompare(b));

/**
 * The environment for onnxruntime-node's installer: CUDA 12 asked for, whatever npm's configuration says about
 * installing it, and without the Hub's token, which is none of its business.
 */
export function cudaInstallerEnvironment(env: Environment = process.env): Environment {
  const unwanted = /^(npm_config_)?onnxruntime_node_install(_cuda)?$|^HF_TOKEN$|^HUGGING_FACE_HUB_TOKEN$/i;
  const kept = Object.entries(env).filter(([name]) => !unwanted.test(name));
  return { ...Object.fromEntries(kept), ONNXRUNTIME_NODE_INSTALL_CUDA: "v12" };
}

/** @returns the S3-compatible store that is not Amazon's; its client reads the same variables, in this order. */
export const ownS3Endpoint = (env: Environment = process.env): string | undefined =>
  env["AWS_ENDPOINT_URL_S3"] || env["AWS_ENDPOINT_URL"] || undefined;
