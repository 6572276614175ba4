/**
 * @module executor/gpu-guard
 * Watches an NVIDIA GPU's memory while a stage runs on it, through NVIDIA's own tool: several times a second it says how
 * much each process has, and how much is in use in all. A process's own figure counts where the tool gives it: the next
 * stage may be loading beside this one. Elsewhere (in a container, whose process numbers the driver does not know) it is
 * what is in use beyond what others had at first; what they take or give back meanwhile cannot be told apart from it.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { smiName } from "../machine/nvidia.ts";

const SAMPLE_MS = 200;
const MIB = 2 ** 20;
/** Of what is in use in all: one look may come before the process's own figure is there. */
const LOOKS_BEFORE_OTHER_FIGURE = 2;

type Command = readonly [string, ...string[]];

export interface GpuGuardOptions {
  readonly deviceId?: number | undefined;
  /** Of the process that is watched; 0: it has not started. */
  readonly pid?: number;
  /** What the process has of it when the watch begins. @default 0: it has just started */
  readonly heldBytes?: number | undefined;
  /** The stage may take this much of it. */
  readonly budgetBytes?: number | undefined;
  /** Called once. */
  readonly onExceeded?: (bytes: number) => void;
  /** A program and its arguments that print, one a line, how many MiB are in use. */
  readonly command?: Command;
  /** The same for processes: `4711, 500`. */
  readonly processCommand?: Command;
  /** How long `settle` waits for a look. @default 3000 */
  readonly lastLookMs?: number;
}

export interface GpuHeld {
  readonly bytes: number;
  /** The process's own figure? Else what is in use beyond what was at first, which may be others' as well. */
  readonly isOwn: boolean;
}

export interface GpuGuard {
  /** Ends the watch. @returns the most that the stage took, in bytes; undefined if nothing could be measured. */
  readonly stop: () => number | undefined;
  /** @returns the same, of a process that stays; the watch goes on until `settle` has ended it. */
  readonly peakBytes: () => number | undefined;
  /** Ends the watch with one more look, at a process that waits. @returns what it has then; undefined if that could not be measured. */
  readonly settle: () => Promise<GpuHeld | undefined>;
}

/** Where there is no such tool, nothing is watched. */
export function guardGpu({
  deviceId = 0,
  pid = 0,
  budgetBytes = Infinity,
  heldBytes = 0,
  lastLookMs = 3_000,
  ...options
}: GpuGuardOptions = {}): GpuGuard {
  let first: number | undefined;
  let peakOfAll = 0;
  let peakOfProcess: number | undefined;
  let above = 0;
  let exceeded = false;
  let looks = 0;
  let onSettled: ((held: GpuHeld) => void) | undefined;
  const check = (bytes: number, needed: number): void => {
    above = bytes > budgetBytes ? above + 1 : 0;
    if (above < needed || exceeded || bytes <= budgetBytes) return;
    exceeded = true;
    options.onExceeded?.(bytes);
  };
  const seeAll = (line: string): void => {
    const bytes = Number(line.trim() || NaN) * MIB;
    if (!Number.isFinite(bytes)) return; // "[N/A]": this GPU does not say
    first ??= bytes - heldBytes;
    const taken = bytes - first;
    peakOfAll = Math.max(peakOfAll, taken);
    if (peakOfProcess !== undefined) return;
    check(taken, LOOKS_BEFORE_OTHER_FIGURE);
    if (++looks >= LOOKS_BEFORE_OTHER_FIGURE) onSettled?.({ bytes: Math.max(0, taken), isOwn: false });
  };
  const seeProcess = (line: string): void => {
    const [process, used = ""] = line.split(",").map((part) => part.trim());
    const bytes = Number(used || NaN) * MIB;
    if (Number(process) !== pid || !Number.isFinite(bytes)) return;
    peakOfProcess = Math.max(peakOfProcess ?? 0, bytes);
    check(bytes, 1);
    onSettled?.({ bytes, isOwn: true });
  };
  const children = [watch(options.command ?? nvidiaSmi(deviceId, "--query-gpu=memory.used"), seeAll)];
  if (pid > 0) {
    const ofProcesses = nvidiaSmi(deviceId, "--query-compute-apps=pid,used_memory");
    children.push(watch(options.processCommand ?? ofProcesses, seeProcess));
  }
  const end = (): void => children.forEach((child) => child.kill());
  const peakBytes = (): number | undefined => peakOfProcess ?? (first === undefined ? undefined : peakOfAll);
  return {
    peakBytes,
    stop() {
      end();
      return peakBytes();
    },
    async settle() {
      exceeded = true; // what it does next is another watch's matter
      looks = 0;
      const seen = new Promise<GpuHeld>((resolve) => (onSettled = resolve));
      const held = await Promise.race([seen, wait(lastLookMs, undefined, { ref: false })]);
      end();
      return held;
    },
  };
}

const nvidiaSmi = (deviceId: number, query: string): Command => [
  "nvidia-smi",
  "-i",
  smiName(deviceId),
  query,
  "--format=csv,noheader,nounits",
  `--loop-ms=${SAMPLE_MS}`,
];

/** Starts a program and shows each line that it prints. */
function watch([program, ...args]: Command, see: (line: string) => void): ChildProcess {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
  let rest = "";
  child.on("error", () => undefined); // most machines have no such tool
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(see);
  });
  child.unref();
  return child;
}
