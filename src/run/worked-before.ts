/**
 * @module run/worked-before
 * That a provider works on this machine, kept for a day: trying it starts a process and the GPU before each command. If it has
 * stopped working since, the stage that uses it says so.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { binariesFolder, librariesOf } from "../executor/provider-files.ts";
import { gpuVariables } from "../machine/environment.ts";
import { cacheFolder } from "../machine/folders.ts";
import type { ExecutionProvider } from "../onnx/lower/provider-names.ts";

const MINUTE_MS = 60 * 1000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Changes with every start of the system, and with it the driver. */
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/**
 * @param key of what is tried; undefined: nothing is kept.
 * @param attempt null: it works.
 * @param folder where it is kept; may throw: then nothing is.
 * @returns null at once if the attempt with this key gave null within a day; else what it gives.
 */
export async function tryOnceADay(
  key: string | undefined,
  attempt: () => Promise<string | null>,
  folder = (): string => join(cacheFolder(), "providers"),
): Promise<string | null> {
  const file = key === undefined ? undefined : fileOf(key, folder);
  if (file !== undefined && ageOf(file) < DAY_MS) return null;
  const problem = await attempt();
  if (problem === null && file !== undefined) keep(file);
  return problem;
}

function fileOf(key: string, folder: () => string): string | undefined {
  try {
    return join(folder(), createHash("sha256").update(key).digest("hex"));
  } catch {
    return undefined; // there is no home folder, and what stands for it is another user's
  }
}

/** @returns what names a provider as it lies here and the driver under it; undefined: that cannot be told. */
export function keyOfProvider(
  name: ExecutionProvider,
  deviceId: number | undefined,
  variables = gpuVariables(),
): string | undefined {
  try {
    const binaries = readdirSync(binariesFolder).map((file) => join(binariesFolder, file));
    const files = [...binaries, ...(librariesOf(name)?.found.values() ?? [])].map(signatureOf);
    return JSON.stringify([name, deviceId, readFileSync(BOOT_ID, "utf8"), process.version, variables, files]);
  } catch {
    return undefined; // another system, or a file that has gone
  }
}

function signatureOf(file: string): readonly [string, number, number] {
  const { size, mtimeMs } = statSync(file);
  return [file, size, mtimeMs];
}

/** @returns milliseconds since it was written; endless where it was not. */
function ageOf(file: string): number {
  try {
    const age = Date.now() - statSync(file).mtimeMs;
    return age < -MINUTE_MS ? Infinity : age; // of a clock that was wrong; the file system's may be a little ahead
  } catch {
    return Infinity;
  }
}

/** Those that are older than a day are of no use any more: each driver, folder and choice of GPUs has left one. */
function keep(file: string): void {
  const folder = dirname(file);
  try {
    mkdirSync(folder, { recursive: true });
    const all = readdirSync(folder).map((name) => join(folder, name));
    for (const old of all.filter((one) => ageOf(one) >= DAY_MS)) rmSync(old, { force: true });
    writeFileSync(file, "");
  } catch {
    // a full disk, a cache that may only be read: it is tried again
  }
}
