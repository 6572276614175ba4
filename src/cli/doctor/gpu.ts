/**
 * @module cli/doctor/gpu
 * Graphics cards and what lies between them and onnxruntime. Nothing here is needed: without it the processor draws.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cudaLibraries, driverLibrary, vulkanLibrary } from "../../machine/gpu-libraries.ts";
import { cudaPlatforms, missingCudaLibraries } from "../../executor/install-cuda.ts";
import { type NvidiaGpu, probe, readNvidiaGpus } from "../../executor/probe.ts";
import { type Check, note, ok, problem } from "./check.ts";
import { isWorking, wordsOf } from "./engine.ts";
import { formatBytes } from "../../machine/bytes.ts";

export async function checkGpu(platform: string): Promise<Check[]> {
  const isLinux = platform.startsWith("linux/");
  const [gpus, webgpu, libraries] = await Promise.all([
    readNvidiaGpus(),
    probe({ ask: "provider", name: "webgpu" }),
    isLinux
      ? probe({ ask: "libraries", names: [vulkanLibrary, driverLibrary, ...Object.keys(cudaLibraries)] })
      : undefined,
  ]);
  const failed = new Map(
    libraries && "libraries" in libraries ? libraries.libraries.map(({ name, problem: reason }) => [name, reason]) : [],
  );
  const hasGpu = gpus !== undefined || hasRenderNode();
  return [
    describeGpus(gpus),
    ...(isLinux ? [checkDriver(gpus, failed.get(driverLibrary)), checkVulkan(hasGpu, failed.get(vulkanLibrary))] : []),
    isWorking(webgpu)
      ? ok("webgpu", "works")
      : describeAbsence("webgpu", hasGpu, wordsOf(webgpu), "check the driver and the Vulkan loader above"),
    ...(cudaPlatforms.includes(platform)
      ? await checkCuda(gpus !== undefined, isWorking(webgpu), failed)
      : [note("cuda", `onnxruntime-node has it on ${cudaPlatforms.join(", ")} only`)]),
  ];
}

function describeGpus(gpus: readonly NvidiaGpu[] | undefined): Check {
  if (gpus === undefined || gpus.length === 0) {
    return hasRenderNode()
      ? ok("GPU", `${renderNodes().join(", ")} (not NVIDIA's, or nvidia-smi is missing)`)
      : note("GPU", "none found; pictures are drawn on the processor");
  }
  return ok("GPU", gpus.map(({ name, memoryBytes }) => `${name}, ${formatBytes(memoryBytes)}`).join("; "));
}

function checkDriver(gpus: readonly NvidiaGpu[] | undefined, reason: string | null | undefined): Check {
  const version = gpus?.[0]?.driver ?? kernelDriver();
  if (version === undefined) return note("NVIDIA driver", "none");
  if (reason === null) return ok("NVIDIA driver", version);
  return problem(
    "NVIDIA driver",
    `${version}, but ${reason ?? driverLibrary}`,
    "install the driver's user libraries (in a container: run it with --gpus all)",
  );
}

function checkVulkan(hasGpu: boolean, reason: string | null | undefined): Check {
  if (reason === null) return ok("Vulkan loader", vulkanLibrary);
  return describeAbsence(
    "Vulkan loader",
    hasGpu,
    reason ?? "it could not be looked for",
    "install it: apt-get install libvulkan1 (or vulkan-loader)",
  );
}

/** A missing library is a problem where there is a card that would use it. */
function describeAbsence(name: string, hasGpu: boolean, reason: string, next: string): Check {
  return hasGpu ? problem(name, reason, next) : note(name, reason);
}

/** @param isSpare webgpu works: what CUDA lacks is worth saying, but no problem. */
async function checkCuda(
  hasGpu: boolean,
  isSpare: boolean,
  failed: ReadonlyMap<string, string | null>,
): Promise<Check[]> {
  const missing = Object.keys(cudaLibraries).filter((name) => failed.get(name) !== null);
  const packages = [...new Set(missing.map((name) => cudaLibraries[name]))].join(" and ");
  const libraries =
    missing.length === 0
      ? ok("CUDA libraries", Object.keys(cudaLibraries).join(", "))
      : describeAbsence(
          "CUDA libraries",
          hasGpu,
          `missing: ${missing.map((name) => reasonFor(name, failed.get(name))).join(", ")}`,
          `install ${packages}, and have the folder in LD_LIBRARY_PATH if it is not a system one`,
        );
  const checks = [libraries, await checkCudaProvider(hasGpu, missing.length === 0)];
  return isSpare ? checks.map((check) => (check.state === "problem" ? { ...check, state: "note" } : check)) : checks;
}

/** The loader names the file it lacks: the library itself, or one that it needs. */
function reasonFor(name: string, reason: string | null | undefined): string {
  const culprit = /^(\S+): cannot open shared object file/.exec(reason ?? "")?.[1];
  return culprit === undefined || culprit === name ? name : `${name} (needs ${culprit})`;
}

async function checkCudaProvider(hasGpu: boolean, hasLibraries: boolean): Promise<Check> {
  const absent = missingCudaLibraries();
  if (absent.length > 0) {
    return describeAbsence("cuda", hasGpu, `${absent.join(" and ")} not installed`, "run: if-gen setup cuda");
  }
  const answer = await probe({ ask: "provider", name: "cuda" });
  if (isWorking(answer)) return ok("cuda", "works");
  return describeAbsence(
    "cuda",
    hasGpu,
    wordsOf(answer),
    hasLibraries ? "check the driver above" : "install the CUDA libraries above",
  );
}

const renderFolder = "/dev/dri";

function renderNodes(): string[] {
  return existsSync(renderFolder) ? readdirSync(renderFolder).filter((name) => name.startsWith("renderD")) : [];
}

const hasRenderNode = (): boolean => renderNodes().length > 0;

/** What the kernel has loaded, also where NVIDIA's tool is missing. */
function kernelDriver(): string | undefined {
  const file = "/proc/driver/nvidia/version";
  return existsSync(file) ? /Kernel Module\D*([\d.]+)/.exec(readFileSync(file, "utf8"))?.[1] : undefined;
}
