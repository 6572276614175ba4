/**
 * @module cli/doctor/machine
 * Node, CPU, memory, home folder, disks.
 */

import { accessSync, constants } from "node:fs";
import type { Manifest } from "../../catalog/manifest.ts";
import { type Check, note, ok, problem } from "./check.ts";
import { freeDiskBytes, homeNote, nearestFolder, temporaryFolder } from "../../machine/folders.ts";
import { readHardware, usableMemoryBytes } from "../../machine/hardware.ts";
import { formatBytes } from "../../machine/bytes.ts";
import { canFetch } from "../../hub/can-fetch.ts";
import { readProcessLimits } from "../../machine/limits.ts";

/** engines of package.json. */
const leastNode = [20, 19];
/** What onnxruntime-node's package brings libraries for. */
const platforms = ["linux/x64", "linux/arm64", "win32/x64", "win32/arm64", "darwin/arm64"];
/** Images and tensors of a run, with room. */
const LEAST_TEMPORARY_BYTES = 200e6;

export async function checkMachine(manifest: Manifest, cacheFolder: string): Promise<Check[]> {
  const hardware = readHardware();
  return [
    checkNode(hardware.nodeVersion),
    platforms.includes(hardware.platform)
      ? ok("platform", hardware.platform)
      : problem(
          "platform",
          `${hardware.platform}: onnxruntime has no build for it`,
          `use one of ${platforms.join(", ")}`,
          "STAGE",
        ),
    ok("CPU", `${hardware.cpu}, ${hardware.cores} threads`),
    checkMemory(hardware, manifest.cascades.get("demo")?.memoryBytes ?? 0),
    ...checkLimits(),
    ...checkHome(),
    await checkTemporaryFolder(),
    await checkCacheDisk(cacheFolder),
  ];
}

function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = leastNode;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return ok("Node", version);
  return problem("Node", `${version} is too old`, `install Node ${leastNode.join(".")} or later`, "STAGE");
}

function checkMemory(hardware: ReturnType<typeof readHardware>, needed: number): Check {
  const { memoryBytes, memoryLimitBytes, freeMemoryBytes } = hardware;
  const limit =
    memoryLimitBytes === undefined ? "" : `, limited to ${formatBytes(memoryLimitBytes)} by a control group`;
  const text = `${formatBytes(memoryBytes)}${limit}, ${formatBytes(freeMemoryBytes)} free`;
  if (usableMemoryBytes(hardware) < needed) {
    return problem(
      "memory",
      text,
      `even the demo needs ${formatBytes(needed)}; use a larger machine or limit`,
      "MEMORY_BUDGET",
    );
  }
  if (freeMemoryBytes < needed) return problem("memory", text, "end other programs first", "MEMORY_BUDGET");
  return ok("memory", text);
}

/** Processes, their channels and the files of weights: a run has some 60 open at once. */
const LEAST_OPEN_FILES = 256;

/** Only said where a limit is too low. */
export function checkLimits({ openFiles, addressBytes } = readProcessLimits(), isFetchable = canFetch()): Check[] {
  return [
    ...(openFiles !== undefined && openFiles < LEAST_OPEN_FILES
      ? [problem("open files", `limited to ${openFiles}`, "raise the limit: ulimit -n 1024")]
      : []),
    ...(addressBytes !== undefined && !isFetchable
      ? [
          problem(
            "address space",
            `limited to ${formatBytes(addressBytes)}: Node reserves more than it uses, and cannot ask the Hub`,
            "lift the limit (ulimit -v unlimited) and limit memory by a control group or --ram-budget instead",
          ),
        ]
      : []),
  ];
}

function checkHome(): Check[] {
  const text = homeNote();
  return text === undefined ? [] : [note("home folder", text)];
}

async function checkTemporaryFolder(): Promise<Check> {
  const folder = temporaryFolder();
  const free = await freeDiskBytes(folder);
  if (!isWritable(folder)) {
    return problem("temporary folder", `${folder} cannot be written to`, "set TMPDIR to a folder that can", "OUTPUT");
  }
  if (free >= LEAST_TEMPORARY_BYTES) return ok("temporary folder", `${folder}, ${formatBytes(free)} free`);
  return problem("temporary folder", `${folder} has ${formatBytes(free)} free`, "make room, or set TMPDIR", "OUTPUT");
}

async function checkCacheDisk(cacheFolder: string): Promise<Check> {
  const free = await freeDiskBytes(cacheFolder);
  const text = `${cacheFolder}, ${formatBytes(free)} free`;
  if (!isWritable(nearestFolder(cacheFolder))) {
    return problem("model cache", `${text}, cannot be written to`, "set HF_HOME or HF_HUB_CACHE to a folder that can");
  }
  const enough = 5e9; // the smallest cascade of models.json has more
  return free < enough
    ? note("model cache", text, "set HF_HOME to a larger disk before pulling a model")
    : ok("model cache", text);
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
