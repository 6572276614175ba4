/**
 * @module machine/available-memory
 * How much memory this process may still take: what the machine has free or can free at once, and what is left of the
 * limit of its control group (a container, a batch job), where the page cache does not count as used.
 * Source: the Linux kernel's documentation of /proc/meminfo, cgroup v2 and the v1 memory controller.
 */

import { readFileSync } from "node:fs";

type ReadText = (path: string) => string;

export interface AvailableMemory {
  readonly bytes: number;
  /** What sets it. */
  readonly source: "machine" | "cgroup";
}

/**
 * @param otherwise what is free where the system does not say.
 * @param read      reads a file of /proc or /sys; throws where there is none.
 */
export function availableMemory(
  otherwise: number,
  read: ReadText = (path) => readFileSync(path, "utf8"),
): AvailableMemory {
  const machine = fieldBytes(attempt(read, "/proc/meminfo"), /^MemAvailable:\s+(\d+) kB$/m, 1024) ?? otherwise;
  const group = cgroupBytes(read);
  return group !== undefined && group < machine
    ? { bytes: group, source: "cgroup" }
    : { bytes: machine, source: "machine" };
}

/** The tightest of the group's own limit and those of the groups around it. */
function cgroupBytes(read: ReadText): number | undefined {
  const entries = attempt(read, "/proc/self/cgroup").split("\n");
  const v2 = entries.find((line) => line.startsWith("0::"))?.slice("0::".length);
  const v1 = entries.find((line) => line.split(":")[1]?.split(",").includes("memory"))?.split(":")[2];
  const left = [
    ...(v2 === undefined ? [] : foldersUpTo("/sys/fs/cgroup", v2).map((folder) => leftOf(read, folder, v2Files))),
    ...(v1 === undefined
      ? []
      : foldersUpTo("/sys/fs/cgroup/memory", v1).map((folder) => leftOf(read, folder, v1Files))),
  ].filter((bytes) => bytes !== undefined);
  return left.length === 0 ? undefined : Math.min(...left);
}

/** From the group up to the root. In a container the root is often the group itself, whatever its path says. */
function foldersUpTo(root: string, path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return [...parts.keys(), parts.length].map((length) => [root, ...parts.slice(0, length)].join("/"));
}

interface GroupFiles {
  readonly limit: string;
  readonly usage: string;
  /** Of memory.stat: what the kernel can take back. */
  readonly reclaimable: readonly string[];
}

const v2Files: GroupFiles = {
  limit: "memory.max",
  usage: "memory.current",
  reclaimable: ["inactive_file", "active_file"],
};
const v1Files: GroupFiles = {
  limit: "memory.limit_in_bytes",
  usage: "memory.usage_in_bytes",
  reclaimable: ["total_inactive_file", "total_active_file"],
};

function leftOf(read: ReadText, folder: string, files: GroupFiles): number | undefined {
  const limit = fieldBytes(attempt(read, `${folder}/${files.limit}`), /^(\d+)$/m);
  const usage = fieldBytes(attempt(read, `${folder}/${files.usage}`), /^(\d+)$/m);
  if (limit === undefined || usage === undefined || limit > Number.MAX_SAFE_INTEGER) return undefined;
  const stat = attempt(read, `${folder}/memory.stat`);
  const cache = files.reclaimable.reduce(
    (sum, name) => sum + (fieldBytes(stat, new RegExp(`^${name} (\\d+)$`, "m")) ?? 0),
    0,
  );
  return Math.max(0, limit - Math.max(0, usage - cache));
}

function fieldBytes(text: string, pattern: RegExp, unit = 1): number | undefined {
  const [, digits] = pattern.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * unit;
}

function attempt(read: ReadText, path: string): string {
  try {
    return read(path);
  } catch {
    return ""; // not Linux, or no such group
  }
}
