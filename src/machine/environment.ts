/**
 * @module machine/environment
 * The environment variables: read here and nowhere else.
 */

import { homedir } from "node:os";
import { type Environment, type HubEnvironment, hubEnvironment } from "../hub/environment.ts";

/** What the environment and Python's token file say about the Hub. */
export function readHubEnvironment(): HubEnvironment {
  return hubEnvironment(process.env, homedir());
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
