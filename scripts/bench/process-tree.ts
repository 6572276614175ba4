/**
 * Runs a command and looks at it and its children meanwhile: wall time, CPU time, the most memory that all of them
 * hold at one moment, and how many bytes they read. Memory and bytes are Linux's /proc; elsewhere they are absent.
 */

import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";

export interface CommandRun {
  readonly milliseconds: number;
  readonly exitCode: number | null;
  readonly stderr: string;
  /** Proportional set size of all processes together: shared pages count once. */
  readonly peakBytes?: number;
  /** The same without pages of files, which the kernel may drop and read again. */
  readonly peakPrivateBytes?: number;
  /** Read by system calls, plus the most that was mapped of files. */
  readonly loadedBytes?: number;
}

const SAMPLE_MS = 40;

/** @param environment is added to this process's own. */
export function runCommand(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<CommandRun> {
  const start = performance.now();
  const child = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ["ignore", "ignore", "pipe"] });
  const peaks = { all: 0, private: 0, files: 0, read: 0 };
  const sample = (): void => {
    if (child.pid === undefined || !existsSync("/proc/self/smaps_rollup")) return;
    const processes = treeOf(child.pid).map(measure);
    const total = (sizeOf: (one: Sample) => number): number => processes.reduce((sum, one) => sum + sizeOf(one), 0);
    peaks.all = Math.max(
      peaks.all,
      total(({ pss }) => pss),
    );
    peaks.private = Math.max(
      peaks.private,
      total(({ anonymous }) => anonymous),
    );
    peaks.files = Math.max(
      peaks.files,
      total(({ pss, anonymous }) => pss - anonymous),
    );
    peaks.read = Math.max(peaks.read, processes[0]?.read ?? 0);
  };
  const timer = setInterval(sample, SAMPLE_MS);
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-4000)));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode) => {
      clearInterval(timer);
      const seen = peaks.all > 0;
      resolve({
        milliseconds: performance.now() - start,
        exitCode,
        stderr,
        ...(seen
          ? { peakBytes: peaks.all, peakPrivateBytes: peaks.private, loadedBytes: peaks.read + peaks.files }
          : {}),
      });
    });
  });
}

interface Sample {
  readonly pss: number;
  readonly anonymous: number;
  /** Its own and of its children that have ended. */
  readonly read: number;
}

function measure(pid: number): Sample {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const numberAt = (text: string, key: string, unit: number): number =>
      unit * Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
    const read = numberAt(readFileSync(`/proc/${pid}/io`, "utf8"), "rchar", 1);
    return { pss: numberAt(rollup, "Pss", 1024), anonymous: numberAt(rollup, "Pss_Anon", 1024), read };
  } catch {
    return { pss: 0, anonymous: 0, read: 0 }; // it has ended meanwhile
  }
}

/** The process and all below it, itself first. */
function treeOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])); // the name may hold spaces
    } catch {
      // ended meanwhile
    }
  }
  const tree = [root];
  for (const parent of tree) for (const [pid, above] of parents) if (above === parent) tree.push(pid);
  return tree;
}
