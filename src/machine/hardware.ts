/**
 * @module machine/hardware
 * The CPU and the memory.
 */

import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { type AvailableMemory, availableMemory } from "./available-memory.ts";

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
  const cpuList = cpus();
  const memoryBytes = totalmem();
  const limit = process.constrainedMemory(); // 0, undefined or a huge number: none
  return {
    platform: `${process.platform}/${process.arch}`,
    nodeVersion: process.versions.node,
    cpu: cpuList[0]?.model.trim() ?? "unknown",
    cores: cpuList.length,
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

/** @returns how many threads of this process can run at the same time. */
export const countParallelThreads = (): number => availableParallelism();
