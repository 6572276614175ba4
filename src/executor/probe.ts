/**
 * @module executor/probe
 * Questions about the machine that only native libraries can answer. Each is asked in a process of its own: loading them
 * may fail in ways no program survives.
 */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { z } from "zod";
import { startChild } from "./child.ts";
import { libraryEnvironment } from "../machine/environment.ts";
import { type NvidiaGpu, parseNvidiaSmi, visibleGpus } from "../machine/nvidia.ts";
import { libraryFoldersOf } from "./provider-files.ts";
import type { ProbeQuestion } from "./probe-worker.ts";
import { failureMessage } from "./messages.ts";

export type { ProbeQuestion } from "./probe-worker.ts";

/** `null`: it works. */
const problem = z.string().nullable();
const answer = z.union([
  z.strictObject({ problem }),
  z.strictObject({ libraries: z.array(z.strictObject({ name: z.string(), problem })) }),
  z.strictObject({ providers: z.array(z.strictObject({ name: z.string(), bundled: z.boolean() })) }),
]);
export type ProbeAnswer = z.infer<typeof answer>;
const probeMessage = z.union([answer, failureMessage]);

/** A driver that hangs is a broken one. */
const TIMEOUT_MS = 60_000;

/** @returns the answer, or as the problem how the process ended. */
export async function probe(question: ProbeQuestion): Promise<ProbeAnswer> {
  let result: ProbeAnswer | undefined;
  const { code, signal, stderr, reason } = await startChild({
    entry: new URL("./probe-worker.js", import.meta.url),
    task: question,
    env: environmentFor(question),
    schema: probeMessage,
    onMessage: (message) => (result = "type" in message ? { problem: firstWords(message.message) } : message),
    timeoutMs: TIMEOUT_MS,
  }).ended;
  const end = reason?.message ?? (signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`);
  return result ?? { problem: [end, stderr.trim()].filter(Boolean).join(": ") };
}

/** As a stage's process would find the provider's libraries. */
function environmentFor(question: ProbeQuestion): Readonly<Record<string, string | undefined>> {
  const provider =
    question.ask === "provider" ? question.name : question.ask === "libraries" ? question.provider : undefined;
  return libraryEnvironment(libraryFoldersOf(provider));
}

/** An error's message without its stack. */
const firstWords = (text: string): string => text.replace(/\n +at .*$/s, "").replace(/^\w*Error: /, "");

/** One that hangs may not listen to anything else. */
const KILL = "SIGKILL";

/** @returns what NVIDIA's own tool sees; undefined: there is no such tool, it fails, or the signal ends it. */
export async function readAllNvidiaGpus(signal?: AbortSignal): Promise<NvidiaGpu[] | undefined> {
  const query = ["--query-gpu=name,memory.total,memory.free,driver_version,uuid", "--format=csv,noheader,nounits"];
  try {
    const asked = promisify(execFile)("nvidia-smi", query, { timeout: TIMEOUT_MS, killSignal: KILL });
    signal?.addEventListener("abort", () => asked.child.kill(KILL), { once: true }); // execFile's own signal would ask it to end
    return parseNvidiaSmi((await asked).stdout);
  } catch {
    return undefined; // most machines have none
  }
}

/** @returns those of them that CUDA shows this program, in CUDA's order: CUDA_VISIBLE_DEVICES is respected. */
export async function readNvidiaGpus(readAll: ReadGpus = readAllNvidiaGpus): Promise<NvidiaGpu[] | undefined> {
  const gpus = await readAll();
  return gpus && visibleGpus(gpus);
}

/** As readAllNvidiaGpus. */
export type ReadGpus = () => Promise<NvidiaGpu[] | undefined>;

/**
 * Asks at once, and tells the same to all who want to know: the tool takes up to a second, beside which other work is done.
 * @param signal ends it where nobody wants to know any more: with a broken driver it does not end by itself.
 */
export function askNvidiaGpus(signal: AbortSignal): ReadGpus {
  const asked = readAllNvidiaGpus(signal);
  return () => asked;
}
