/**
 * @module run/choose-provider
 * Which execution provider a run takes: the one that is named or, by itself, the first in order that works here.
 *
 * Files are looked at first: where there is no NVIDIA GPU nothing of a GPU is loaded, and the choice takes no time. What
 * then looks right is tried in a process of its own, which adds two numbers with it.
 */

import { IfGenError, UsageError } from "../errors.ts";
import { type ProviderTraits, providers, providersInOrder } from "../onnx/lower/providers.ts";
import type { RequestedProvider } from "../plan/choices.ts";
import type { ProviderChoice } from "../plan/plan.ts";
import { type MachineProbes, oneLine, thisMachine } from "./machine-probes.ts";

const NO_NVIDIA_GPU = "no NVIDIA GPU is here";

/**
 * @throws {UsageError} a GPU is named for a provider that takes none, or there is no such GPU.
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
    const absence = traits.needsNvidia ? await checkGpus(deviceId, machine) : undefined;
    const problem = wrongPlatform(traits, machine) ?? absence ?? (await problemOf(traits, deviceId, machine));
    if (problem === undefined) return choice(traits);
    throw new IfGenError(
      "PROVIDER",
      `--execution-provider ${requested} cannot be used: ${problem}; ` +
        "with --execution-provider auto the run takes what works, if-gen doctor looks at all of it.",
    );
  }
  const passedOver: ProviderChoice["passedOver"] = [];
  const absence = await checkGpus(deviceId, machine);
  for (const traits of providersInOrder) {
    const problem = (traits.auto.onlyNvidia ? absence : undefined) ?? (await problemOf(traits, deviceId, machine));
    if (problem === undefined) return choice(traits, passedOver);
    passedOver.push({ name: traits.name, problem });
  }
  throw new Error("the CPU always works");
}

/**
 * @returns why there is none for CUDA; undefined: it shows some.
 * @throws {UsageError} there is no GPU of that number.
 */
async function checkGpus(deviceId: number | undefined, machine: MachineProbes): Promise<string | undefined> {
  if (!machine.hasNvidiaDevice()) return NO_NVIDIA_GPU;
  const count = await machine.countGpus(deviceId);
  if (!count) return undefined;
  const { all, visible, restriction } = count;
  const gpus = all === 1 ? "the one NVIDIA GPU" : `all ${all} NVIDIA GPUs`;
  if (visible === 0) return `CUDA_VISIBLE_DEVICES=${restriction ?? ""} hides ${gpus}`;
  if (deviceId === undefined || deviceId < visible) return undefined;
  const numbers = visible === 1 ? "only GPU 0 is" : `GPUs 0 to ${visible - 1} are`;
  const why = restriction === undefined ? "" : ` with CUDA_VISIBLE_DEVICES=${restriction}`;
  throw new UsageError(`--device-id ${deviceId} names no GPU: ${numbers} here${why}.`);
}

/** @returns a clause that says what keeps the provider from working, and what to do; undefined: it works. */
async function problemOf(
  traits: ProviderTraits,
  deviceId: number | undefined,
  machine: MachineProbes,
): Promise<string | undefined> {
  const { name, isCpu, takesDeviceId, requirements } = traits;
  if (isCpu) return undefined;
  const elsewhere = wrongPlatform(traits, machine);
  if (elsewhere !== undefined) return elsewhere;
  const { files, installCommand } = requirements;
  const absent = machine.missingFiles(files);
  if (absent.length > 0) return `${absent.join(" and ")} not installed (${installCommand})`;
  const unusable = machine.fileProblem(requirements);
  if (unusable !== undefined) return `${unusable} (${installCommand} installs the right one)`;
  const words = await machine.tryProvider(name, takesDeviceId ? deviceId : undefined);
  if (words === null) return undefined;
  const isLinux = machine.platform.startsWith("linux/");
  return (isLinux ? await machine.missingLibraries(traits) : undefined) ?? oneLine(words);
}

function wrongPlatform(
  { name, requirements: { platforms } }: ProviderTraits,
  { platform }: MachineProbes,
): string | undefined {
  if (!platforms || platforms.includes(platform)) return undefined;
  return `onnxruntime-node has libraries of ${name} for ${platforms.join(", ")} only, and this is ${platform}`;
}
