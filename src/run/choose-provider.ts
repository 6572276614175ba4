/**
 * @module run/choose-provider
 * Which execution provider a run takes: the one that is named or, by itself, the first in order that works here.
 *
 * Files are looked at first: where there is no NVIDIA GPU nothing of a GPU is loaded, and the choice takes no time. What
 * then looks right is tried in a process of its own, which adds two numbers with it.
 */

import { IfGenError, UsageError } from "../errors.ts";
import { missingProviderFiles } from "../executor/install-cuda.ts";
import { probe } from "../executor/probe.ts";
import { hasNvidiaDevice } from "../machine/gpu-libraries.ts";
import { readHardware } from "../machine/hardware.ts";
import { type ProviderTraits, providers, providersInOrder } from "../onnx/lower/providers.ts";
import type { ProviderChoice } from "../plan/plan.ts";
import type { ExecutionProvider } from "../onnx/lower/provider-names.ts";
import type { RequestedProvider } from "../plan/choices.ts";

/** How the machine is asked; replaced in tests. */
export interface MachineProbes {
  /** `linux/x64` */
  readonly platform: string;
  readonly hasNvidiaDevice: () => boolean;
  /** Of a provider's own files beside onnxruntime's, those that are not there. */
  readonly missingFiles: (files: readonly string[]) => readonly string[];
  /** @returns the library's words if it does not work. */
  readonly tryProvider: (name: ExecutionProvider, deviceId: number | undefined) => Promise<string | null>;
  /** @returns those that the system's loader does not find, or that lack something themselves. */
  readonly missingLibraries: (names: readonly string[]) => Promise<readonly string[]>;
}

const NO_NVIDIA_GPU = "no NVIDIA GPU is here";

/**
 * @throws {UsageError} a GPU is named for a provider that takes none.
 * @throws {IfGenError} PROVIDER: the provider that is named does not work here; says what is missing.
 */
export async function chooseProvider(
  requested: RequestedProvider,
  deviceId?: number,
  machine: MachineProbes = thisMachine(),
): Promise<ProviderChoice> {
  const choice = (
    { name, takesDeviceId }: ProviderTraits,
    passedOver: ProviderChoice["passedOver"] = [],
  ): ProviderChoice => ({
    requested,
    name,
    ...(takesDeviceId && deviceId !== undefined ? { deviceId } : {}),
    passedOver,
  });
  if (requested !== "auto") {
    const traits = providers[requested];
    if (deviceId !== undefined && !traits.takesDeviceId) {
      throw new UsageError(
        `--device-id names one of several GPUs; leave it out with --execution-provider ${requested}.`,
      );
    }
    const problem = await problemOf(traits, deviceId, machine);
    if (problem === undefined) return choice(traits);
    throw new IfGenError(
      "PROVIDER",
      `--execution-provider ${requested} cannot be used: ${problem}; ` +
        "with --execution-provider auto the run takes what works, if-gen doctor looks at all of it.",
    );
  }
  const passedOver: ProviderChoice["passedOver"] = [];
  for (const traits of providersInOrder) {
    const isOut = traits.auto.onlyNvidia && !machine.hasNvidiaDevice();
    const problem = isOut ? NO_NVIDIA_GPU : await problemOf(traits, deviceId, machine);
    if (problem === undefined) return choice(traits, passedOver);
    passedOver.push({ name: traits.name, problem });
  }
  throw new Error("the CPU always works");
}

/** @returns a clause that says what keeps the provider from working, and what to do; undefined: it works. */
async function problemOf(
  { name, isCpu, needsNvidia, takesDeviceId, requirements }: ProviderTraits,
  deviceId: number | undefined,
  machine: MachineProbes,
): Promise<string | undefined> {
  if (isCpu) return undefined;
  const { platforms, files, installCommand, libraries } = requirements;
  if (platforms && !platforms.includes(machine.platform)) {
    return `onnxruntime-node has libraries of ${name} for ${platforms.join(", ")} only, and this is ${machine.platform}`;
  }
  if (needsNvidia && !machine.hasNvidiaDevice()) return NO_NVIDIA_GPU;
  const absent = machine.missingFiles(files);
  if (absent.length > 0) return `${absent.join(" and ")} not installed (${installCommand})`;
  const words = await machine.tryProvider(name, takesDeviceId ? deviceId : undefined);
  if (words === null) return undefined;
  const isLinux = machine.platform.startsWith("linux/");
  const missing = isLinux ? await machine.missingLibraries(libraries.map((library) => library.name)) : [];
  if (missing.length === 0) return oneLine(words);
  const packages = new Set(libraries.filter((library) => missing.includes(library.name)).map(({ install }) => install));
  return `${missing.join(", ")} missing (install ${[...packages].join(" and ")})`;
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
    missingFiles: missingProviderFiles,
    async tryProvider(name, deviceId) {
      const answer = await probe({ ask: "provider", name, ...(deviceId === undefined ? {} : { deviceId }) });
      return "problem" in answer ? answer.problem : "it gave no answer";
    },
    async missingLibraries(names) {
      const answer = await probe({ ask: "libraries", names: [...names] });
      const found = "libraries" in answer ? answer.libraries : [];
      return found.filter(({ problem }) => problem !== null).map(({ name }) => name);
    },
  };
}
