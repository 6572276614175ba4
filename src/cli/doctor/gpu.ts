/**
 * @module cli/doctor/gpu
 * GPUs and what lies between them and onnxruntime. One way that works is enough: what the other way lacks is then a note.
 * It is a problem where an NVIDIA GPU is here and no provider works on it; without one the CPU draws.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { probe, readAllNvidiaGpus } from "../../executor/probe.ts";
import { formatBytes } from "../../machine/bytes.ts";
import { type NvidiaGpu, cudaRestriction, hasNvidiaDevice, visibleGpus } from "../../machine/nvidia.ts";
import { type Check, note, ok, problem } from "./check.ts";
import { checkCuda } from "./cuda.ts";
import { isWorking, wordsOf } from "./engine.ts";

const driverLibrary = "libcuda.so.1";
const vulkanLibrary = "libvulkan.so.1";

export async function checkGpu(platform: string): Promise<Check[]> {
  const isLinux = platform.startsWith("linux/");
  const [all, webgpu, vulkan, cuda] = await Promise.all([
    readAllNvidiaGpus(),
    probe({ ask: "provider", name: "webgpu" }),
    isLinux ? libraryProblem(vulkanLibrary) : undefined,
    checkCuda(platform),
  ]);
  const visible = all && visibleGpus(all);
  const webgpuProblem = isWorking(webgpu) ? undefined : wordsOf(webgpu);
  const checks = [
    describeGpus(all, visible),
    ...(isLinux ? [await checkDriver(all?.[0]?.driver ?? kernelDriver()), checkVulkan(vulkan)] : []),
    webgpuProblem === undefined
      ? ok("webgpu", "works")
      : problem("webgpu", webgpuProblem, "check the driver and the Vulkan loader above"),
    ...cuda,
  ];
  const works = checks.some(({ name, state }) => (name === "cuda" || name === "webgpu") && state === "ok");
  const hasGpu = (visible ?? all ?? []).length > 0 || (all === undefined && hasNvidiaDevice());
  return hasGpu && !works ? checks : checks.map(asNote);
}

/** What is not needed is worth saying, but nothing to mend. */
const asNote = (check: Check): Check => (check.state === "problem" ? { ...check, state: "note" } : check);

/** @returns the loader's words; null: it loads. */
async function libraryProblem(name: string): Promise<string | null> {
  const answer = await probe({ ask: "libraries", names: [name], provider: "cuda" });
  if ("libraries" in answer) return answer.libraries[0]?.problem ?? null;
  return "problem" in answer ? answer.problem : "it could not be looked for";
}

function describeGpus(all: readonly NvidiaGpu[] | undefined, visible: readonly NvidiaGpu[] | undefined): Check {
  if (all === undefined || visible === undefined || all.length === 0) {
    if (hasNvidiaDevice()) return ok("GPU", "NVIDIA's (nvidia-smi is missing: its name and memory are unknown)");
    return renderNodes().length > 0
      ? ok("GPU", `${renderNodes().join(", ")} (not NVIDIA's; take it with --execution-provider webgpu)`)
      : note("GPU", "none found; images are drawn on the CPU");
  }
  const restriction = cudaRestriction();
  const why =
    restriction === undefined ? "" : ` (${visible.length} of ${all.length}: CUDA_VISIBLE_DEVICES=${restriction})`;
  if (visible.length === 0) return note("GPU", `none shown${why}; images are drawn on the CPU`);
  return ok("GPU", visible.map(({ name, memoryBytes }) => `${name}, ${formatBytes(memoryBytes)}`).join("; ") + why);
}

async function checkDriver(version: string | undefined): Promise<Check> {
  if (version === undefined) return note("NVIDIA driver", "none");
  const reason = await libraryProblem(driverLibrary);
  if (reason === null) return ok("NVIDIA driver", version);
  return problem(
    "NVIDIA driver",
    `${version}, but ${reason}`,
    "install the driver's user libraries (in a container: run it with --gpus all)",
  );
}

function checkVulkan(reason: string | null | undefined): Check {
  if (reason === null) return ok("Vulkan loader", vulkanLibrary);
  return problem("Vulkan loader", reason ?? "", "install it: apt-get install libvulkan1 (or vulkan-loader)");
}

const renderFolder = "/dev/dri";

function renderNodes(): string[] {
  return existsSync(renderFolder) ? readdirSync(renderFolder).filter((name) => name.startsWith("renderD")) : [];
}

/** What the kernel has loaded, also where NVIDIA's tool is missing. */
function kernelDriver(): string | undefined {
  const file = "/proc/driver/nvidia/version";
  return existsSync(file) ? /Kernel Module\D*([\d.]+)/.exec(readFileSync(file, "utf8"))?.[1] : undefined;
}
