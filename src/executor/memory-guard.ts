/**
 * @module executor/memory-guard
 * Watches a stage's process: samples its memory a few times a second, keeps the peaks, and says so when it takes more
 * private memory than its budget, before the kernel has to choose whom to kill.
 */

import { readFileSync } from "node:fs";

const SAMPLE_MS = 50;

/** Peaks in bytes; all 0 where the system has no /proc. */
export interface MemoryPeaks {
  /** Must stay in RAM. */
  readonly privateBytes: number;
  /** Mapped from files: weights and code. The kernel may drop and re-read it. */
  readonly mappedBytes: number;
  /** The highest that both together were, by the kernel's own count. */
  readonly residentBytes: number;
}

export interface MemoryGuard {
  /** Looks once more and ends the watch. */
  readonly stop: () => MemoryPeaks;
  /** Looks at once: the kernel's own peak is exact only while the process lives. */
  readonly sample: () => void;
}

export interface GuardOptions {
  /** Private memory above this is too much. */
  readonly budgetBytes?: number | undefined;
  /** Called once. */
  readonly onExceeded?: (privateBytes: number) => void;
  /** The text of /proc/<pid>/status, "" where there is none. */
  readonly readStatus?: (pid: number) => string;
}

export function guardMemory(pid: number, options: GuardOptions = {}): MemoryGuard {
  const { budgetBytes = Infinity, onExceeded, readStatus = readProcStatus } = options;
  let [privateBytes, mappedBytes, residentBytes] = [0, 0, 0];
  let exceeded = false;
  const sample = (): void => {
    const status = readStatus(pid);
    const now = field(status, "RssAnon");
    privateBytes = Math.max(privateBytes, now);
    mappedBytes = Math.max(mappedBytes, field(status, "RssFile"));
    residentBytes = Math.max(residentBytes, field(status, "VmHWM"));
    if (now <= budgetBytes || exceeded) return;
    exceeded = true;
    onExceeded?.(now);
  };
  const timer = setInterval(sample, SAMPLE_MS);
  timer.unref();
  sample();
  return {
    sample,
    stop() {
      clearInterval(timer);
      sample();
      return { privateBytes, mappedBytes, residentBytes };
    },
  };
}

/** @returns the private memory that a process holds now, in bytes; 0 where the system has no /proc. */
export const privateBytesOf = (pid: number): number => field(readProcStatus(pid), "RssAnon");

function field(status: string, name: string): number {
  const [, kibibytes = "0"] = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status) ?? [];
  return Number(kibibytes) * 1024;
}

function readProcStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return ""; // it has ended, or this is not Linux
  }
}
