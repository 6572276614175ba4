/**
 * @module run/choose-provider
 * Which execution provider a run takes: the one that is named or, by itself, cuda, then webgpu, then cpu.
 *
 * Files are looked at first: where there is no NVIDIA GPU nothing of a graphics card is loaded, and the choice takes no
 * time. What then looks right is tried in a process of its own, which adds two numbers with it.
 */

import { IfGenError } from "../errors.ts";
import type { ExecutionProvider } from "../onnx/lower/providers.ts";
import type { ProviderChoice } from "../plan/plan.ts";
import type { AskedProvider } from "../plan/request.ts";
import { cudaLibraries, driverLibrary, hasNvidiaDevice, vulkanLibrary } from "../machine/gpu-libraries.ts";
import { cudaPlatform, missingCudaLibraries } from "../executor/install-cuda.ts";
import { probe } from "../executor/probe.ts";
import { readHardware } from "../machine/hardware.ts";

/** How the machine is asked; replaced in tests. */
export interface MachineProbes {
  /** `linux/x64` */
  readonly platform: string;
  readonly hasNvidiaDevice: () => boolean;
  /** Of the provider's own files beside onnxruntime's. */
  readonly missingCudaLibraries: () => readonly string[];
  /** @returns the library's words if it does not work. */
  readonly tryProvider: (name: ExecutionProvider, deviceId: number | undefined) => Promise<string | null>;
  /** @returns those that the system's loader does not find, or that lack something themselves. */
  readonly missingLibraries: (names: readonly string[]) => Promise<readonly string[]>;
}

/** @throws {IfGenError} PROVIDER: the provider that is named does not work here; says what is missing. */
export async function chooseProvider(
  asked: AskedProvider,
  deviceId?: number,
  machine: MachineProbes = thisMachine(),
): Promise<ProviderChoice> {
  const chosen = (name: ExecutionProvider): Omit<ProviderChoice, "passedOver"> => ({
    asked,
    name,
    ...(name === "cuda" && deviceId !== undefined ? { deviceId } : {}),
  });
  if (asked !== "auto") {
    const problem = await problemOf(asked, deviceId, machine);
    if (problem === undefined) return { ...chosen(asked), passedOver: [] };
    throw new IfGenError(
      "PROVIDER",
      `--execution-provider ${asked} cannot be used: ${problem}; ` +
        "with --execution-provider auto the run takes what works, if-gen doctor looks at all of it.",
    );
  }
  const passedOver: { name: ExecutionProvider; problem: string }[] = [];
  for (const name of ["cuda", "webgpu"] as const) {
    // webgpu was only ever measured on NVIDIA's cards: others have to name it
    const problem = machine.hasNvidiaDevice() ? await problemOf(name, deviceId, machine) : "no NVIDIA GPU is here";
    if (problem === undefined) return { ...chosen(name), passedOver };
    passedOver.push({ name, problem });
  }
  return { ...chosen("cpu"), passedOver };
}

/** @returns a clause that says what keeps the provider from working, and what to do; undefined: it works. */
function problemOf(
  name: ExecutionProvider,
  deviceId: number | undefined,
  machine: MachineProbes,
): Promise<string | undefined> {
  if (name === "cpu") return Promise.resolve(undefined);
  return name === "cuda" ? cudaProblem(deviceId, machine) : webgpuProblem(machine);
}

async function cudaProblem(deviceId: number | undefined, machine: MachineProbes): Promise<string | undefined> {
  if (machine.platform !== cudaPlatform) {
    return `onnxruntime-node has CUDA libraries for ${cudaPlatform} only, and this is ${machine.platform}`;
  }
  if (!machine.hasNvidiaDevice()) return "no NVIDIA GPU is here";
  const absent = machine.missingCudaLibraries();
  if (absent.length > 0) return `${absent.join(" and ")} not installed (if-gen setup cuda)`;
  const words = await machine.tryProvider("cuda", deviceId);
  if (words === null) return undefined;
  const missing = await machine.missingLibraries([driverLibrary, ...Object.keys(cudaLibraries)]);
  if (missing.length === 0) return oneLine(words);
  const packages = new Set(missing.map((library) => cudaLibraries[library] ?? "NVIDIA's driver"));
  return `${missing.join(", ")} missing (install ${[...packages].join(" and ")})`;
}

async function webgpuProblem(machine: MachineProbes): Promise<string | undefined> {
  const words = await machine.tryProvider("webgpu", undefined);
  if (words === null) return undefined;
  const isLinux = machine.platform.startsWith("linux/");
  const missing = isLinux ? await machine.missingLibraries([vulkanLibrary]) : [];
  return missing.length === 0 ? oneLine(words) : `${vulkanLibrary} missing (apt-get install libvulkan1)`;
}

/** onnxruntime opens with the place in its source and the condition that did not hold. */
const oneLine = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    .replace(/^\S+:\d+ .* was false\. /, "")
    .replace(/[.\s]+$/, "");

function thisMachine(): MachineProbes {
  return {
    platform: readHardware().platform,
    hasNvidiaDevice,
    missingCudaLibraries,
    async tryProvider(name, deviceId) {
      const answer = await probe({ ask: "provider", name, ...(deviceId === undefined ? {} : { deviceId }) });
      return "problem" in answer ? answer.problem : "it gave no answer";
    },
    async missingLibraries(names) {
      const answer = await probe({ ask: "libraries", names: [...names] });
      const known = "libraries" in answer ? answer.libraries : [];
      return known.filter(({ problem }) => problem !== null).map(({ name }) => name);
    },
  };
}
