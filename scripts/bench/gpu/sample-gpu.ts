/** The GPU's memory in use, sampled by nvidia-smi; nothing where there is none. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";

const QUERY = ["--query-gpu=memory.used", "--format=csv,noheader,nounits"];
const SAMPLE_MS = 100;

export interface GpuSampler {
  /** MiB in use on the whole GPU now; undefined without nvidia-smi. */
  readonly now: () => number | undefined;
  /** The highest since the last call, MiB. */
  readonly takePeak: () => number | undefined;
  readonly stop: () => void;
}

export function sampleGpu(): GpuSampler {
  const now = (): number | undefined => {
    try {
      return Number(execFileSync("nvidia-smi", QUERY, { encoding: "utf8" }).split("\n")[0]);
    } catch {
      return undefined;
    }
  };
  let peak = now();
  let child: ChildProcess | undefined;
  if (peak !== undefined) {
    child = spawn("nvidia-smi", [...QUERY, `--loop-ms=${SAMPLE_MS}`], { stdio: ["ignore", "pipe", "ignore"] });
    child.stdout?.on("data", (chunk: Buffer) => {
      for (const line of chunk.toString().split("\n").filter(Boolean)) peak = Math.max(peak ?? 0, Number(line));
    });
    child.once("error", () => undefined);
  }
  return {
    now,
    takePeak: () => {
      const taken = peak;
      peak = peak === undefined ? undefined : now();
      return taken;
    },
    stop: () => child?.kill(),
  };
}
