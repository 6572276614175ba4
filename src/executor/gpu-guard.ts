/**
 * @module executor/gpu-guard
 * Watches an NVIDIA GPU's memory while a stage runs on it, through NVIDIA's own tool: several times a second it says how
 * much of it is in use. What was in use at first is not the stage's; what other programs take or give back
 * meanwhile cannot be told apart from it.
 */

import { spawn } from "node:child_process";
import { smiName } from "../machine/nvidia.ts";

const SAMPLE_MS = 200;

export interface GpuGuardOptions {
  readonly deviceId?: number | undefined;
  /** The stage may take this much of it. */
  readonly budgetBytes?: number | undefined;
  /** Called once. */
  readonly onExceeded?: (bytes: number) => void;
  /** A program and its arguments that print one number of MiB per line. */
  readonly command?: readonly [string, ...string[]];
}

export interface GpuGuard {
  /** Ends the watch. @returns the most that the stage took, in bytes; undefined if nothing could be measured. */
  readonly stop: () => number | undefined;
}

/** Where there is no such tool, nothing is watched. */
export function guardGpu({ deviceId = 0, budgetBytes = Infinity, ...options }: GpuGuardOptions = {}): GpuGuard {
  const query = ["--query-gpu=memory.used", "--format=csv,noheader,nounits", `--loop-ms=${SAMPLE_MS}`];
  const [program, ...args] = options.command ?? ["nvidia-smi", "-i", smiName(deviceId), ...query];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
  let first: number | undefined;
  let peak = 0;
  let exceeded = false;
  let rest = "";
  const look = (line: string): void => {
    const bytes = Number(line.trim() || NaN) * 2 ** 20;
    if (!Number.isFinite(bytes)) return; // "[N/A]": this GPU does not say
    first ??= bytes;
    peak = Math.max(peak, bytes - first);
    if (peak <= budgetBytes || exceeded) return;
    exceeded = true;
    options.onExceeded?.(peak);
  };
  child.on("error", () => undefined); // most machines have no such tool
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(look);
  });
  child.unref();
  return {
    stop() {
      child.kill();
      return first === undefined ? undefined : peak;
    },
  };
}
