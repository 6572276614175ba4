/**
 * @module machine/cores
 * The CPU's cores: two hardware threads of one core multiply no faster than one.
 */

import { readFileSync } from "node:fs";
import { countParallelThreads } from "./hardware.ts";

/**
 * @param cpuInfo the text of /proc/cpuinfo, "" where there is none.
 * @param threads that this process may have run at the same time.
 * @returns on how many cores this process can run at the same time; where the system does not say, as many as threads.
 */
export function countCores(cpuInfo = readCpuInfo(), threads = countParallelThreads()): number {
  const packages = cpuInfo.matchAll(/^physical id\s*: (\d+)$[^]*?^core id\s*: (\d+)$/gm);
  const cores = new Set(Array.from(packages, ([, socket, core]) => `${socket} ${core}`));
  return cores.size === 0 ? threads : Math.min(cores.size, threads);
}

function readCpuInfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}
