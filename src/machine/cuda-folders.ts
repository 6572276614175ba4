/**
 * @module machine/cuda-folders
 * Where CUDA's libraries are when they are not where the loader looks: what pip, conda, NVIDIA's toolkit and the hosts of
 * notebooks installed. Found by looking at folders; no Python is run.
 */

import { readdirSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Environment } from "../hub/environment.ts";

/** Python's own folders of packages, below a prefix such as `/usr`. */
const packageFolders = [
  "lib/python3*/site-packages",
  "lib/python3*/dist-packages", // Debian, Colab
  "local/lib/python3*/dist-packages",
];
const toolkits = [
  "/usr/local/cuda/lib64",
  "/usr/local/cuda-*/lib64",
  "/usr/local/cuda*/targets/x86_64-linux/lib",
  "/opt/cuda/lib64",
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/wsl/lib", // the driver, on Windows' Linux
  "/usr/lib64-nvidia", // the driver, on Colab
  "/usr/local/nvidia/lib64", // the driver, on Kubernetes
];

/**
 * @param root where the file system begins; another folder in tests.
 * @returns the folders that may hold CUDA's libraries and exist, in the order in which they are to be tried: the active
 *          environment, the Pythons of PATH, the toolkit, conda's shared folders.
 */
export function cudaFolders(env: Environment, home: string, root = ""): string[] {
  const environments = [env["VIRTUAL_ENV"], env["CONDA_PREFIX"]].filter(
    (prefix) => prefix !== undefined && prefix !== "",
  );
  const pythons = [...environments, ...pythonPrefixes(env), join(home, ".local"), "/usr/local", "/usr", "/opt/conda"];
  const condas = [env["CONDA_PREFIX"], "/opt/conda"].filter((prefix) => prefix !== undefined && prefix !== "");
  const patterns = [
    ...pythons.flatMap((prefix) => packageFolders.map((folder) => join(prefix ?? "", folder, "nvidia", "*", "lib"))),
    ...[env["CUDA_HOME"], env["CUDA_PATH"]].filter(Boolean).map((toolkit) => join(toolkit ?? "", "lib64")),
    ...toolkits,
    // conda's common folder last: it has much else in it
    ...condas.flatMap((prefix) => [join(prefix ?? "", "targets/x86_64-linux/lib"), join(prefix ?? "", "lib")]),
  ];
  const folders = patterns.flatMap((pattern) => expand(root, pattern));
  return [...new Set(folders)].filter((folder) => !/[:;$]/.test(folder)); // the loader gives these a meaning
}

/** The prefix of every python3 on PATH, as it is named and as its link leads. pyenv's are below its shims. */
function pythonPrefixes(env: Environment): string[] {
  const folders = (env["PATH"] ?? "").split(":").filter((folder) => folder.startsWith("/"));
  return folders.flatMap((folder) => {
    const real = realPath(join(folder, "python3"));
    if (real === undefined) return [];
    if (basename(folder) === "shims") return [join(dirname(folder), "versions", "*")];
    return [dirname(folder), dirname(dirname(real))];
  });
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** @returns the folders that a path with `*` in some of its parts means, later versions first. */
function expand(root: string, pattern: string): string[] {
  let found = [root];
  for (const part of pattern.split("/").filter(Boolean)) {
    found = part.includes("*")
      ? found.flatMap((folder) => entriesLike(folder, part).map((name) => join(folder, name)))
      : found.map((folder) => `${folder}/${part}`);
  }
  return found.filter((folder) => entriesOf(folder).length > 0);
}

function entriesLike(folder: string, part: string): string[] {
  const [start = "", end = ""] = part.split("*");
  const numerically = new Intl.Collator("en", { numeric: true });
  return entriesOf(folder || "/")
    .filter((name) => name.startsWith(start) && name.endsWith(end))
    .toSorted((a, b) => numerically.compare(b, a));
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // not there, or not ours to read
  }
}
