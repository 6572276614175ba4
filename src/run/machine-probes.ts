/**
 * @module run/machine-probes
 * What the choice of a provider asks of the machine: files, GPUs, libraries, and whether a provider adds two numbers.
 */

import { type ReadGpus, probe, readAllNvidiaGpus } from "../executor/probe.ts";
import { linkedLibraries, linkedPaths, missingProviderFiles, requirementProblem } from "../executor/provider-files.ts";
import { packageOf, pipLine } from "../machine/cuda-libraries.ts";
import { readHardware } from "../machine/hardware.ts";
import { countNvidiaDevices, cudaRestriction, hasNvidiaDevice, visiblePlaces } from "../machine/nvidia.ts";
import type { ExecutionProvider } from "../onnx/lower/provider-names.ts";
import { type ProviderRequirements, type ProviderTraits, providers } from "../onnx/lower/providers.ts";
import { keyOfProvider, tryOnceADay } from "./worked-before.ts";

/** How the machine is asked; replaced in tests. */
export interface MachineProbes {
  /** `linux/x64` */
  readonly platform: string;
  readonly hasNvidiaDevice: () => boolean;
  /** Of a provider's own files beside onnxruntime's, those that are not there. */
  readonly missingFiles: (files: readonly string[]) => readonly string[];
  /** What keeps its installed files from working at all: another version, a damaged file. */
  readonly fileProblem: (requirements: ProviderRequirements) => string | undefined;
  /** How many NVIDIA GPUs are here and CUDA shows; undefined: it cannot be told, or nobody chose among them. */
  readonly countGpus: (deviceId: number | undefined) => Promise<GpuCount | undefined>;
  /** @returns the library's words if it does not work. */
  readonly tryProvider: (name: ExecutionProvider, deviceId: number | undefined) => Promise<string | null>;
  /** @returns a clause on the libraries that are not found, and what to do; undefined: all are there. */
  readonly missingLibraries: (traits: ProviderTraits) => Promise<string | undefined>;
}

export interface GpuCount {
  readonly all: number;
  readonly visible: number;
  /** CUDA_VISIBLE_DEVICES, where it is set. */
  readonly restriction?: string;
}

/** @param readGpus NVIDIA's tool takes up to a second: it is asked only where somebody chose among the GPUs. */
export function thisMachine(readGpus: ReadGpus = readAllNvidiaGpus): MachineProbes {
  return {
    platform: readHardware().platform,
    hasNvidiaDevice,
    missingFiles: missingProviderFiles,
    fileProblem: requirementProblem,
    countGpus: (deviceId) => countGpus(deviceId, readGpus),
    tryProvider(name, deviceId) {
      const key = providers[name].needsNvidia ? keyOfProvider(name, deviceId) : undefined;
      return tryOnceADay(key, async () => {
        const answer = await probe({ ask: "provider", name, ...(deviceId === undefined ? {} : { deviceId }) });
        return "problem" in answer ? answer.problem : "it gave no answer";
      });
    },
    missingLibraries,
  };
}

async function countGpus(deviceId: number | undefined, readGpus: ReadGpus): Promise<GpuCount | undefined> {
  const restriction = cudaRestriction();
  if (deviceId === undefined && restriction === undefined) return undefined;
  const gpus = await readGpus();
  const all = gpus?.length ?? countNvidiaDevices();
  const uuids = gpus?.map(({ uuid }) => uuid);
  const visible = visiblePlaces(all, uuids);
  return visible && { all, visible: visible.length, ...(restriction === undefined ? {} : { restriction }) };
}

/** By the provider's own entries, found without loading anything; then those that the loader itself must find. */
async function missingLibraries({ name, requirements }: ProviderTraits): Promise<string | undefined> {
  const linked = linkedLibraries(requirements);
  if (linked && linked.missing.length > 0) return describeMissing(linked.missing, linked.major);
  const listed = requirements.libraries.map((library) => library.name);
  const names = [...(linked?.found.keys() ?? []), ...listed, ...linkedPaths(requirements)];
  const answer = await probe({ ask: "libraries", names, provider: name });
  const failed = "libraries" in answer ? answer.libraries.filter(({ problem }) => problem !== null) : [];
  const [first] = failed;
  if (!first) return undefined;
  const install = requirements.libraries.find((library) => library.name === first.name)?.install;
  if (install !== undefined) return `${first.name} missing (install ${install})`;
  return `${first.name} cannot be loaded: ${oneLine(first.problem ?? "")}`;
}

/** @returns the clause on libraries that are nowhere on this machine, with the line to type. */
export function describeMissing(missing: readonly string[], major: number | undefined): string {
  const cuda = `CUDA${major === undefined ? "" : ` ${major}`}`;
  const packages = new Set(missing.map(packageOf).map((name) => (name === "CUDA" ? cuda : name)));
  const line = pipLine(missing, major);
  return `${missing.join(", ")} missing (install ${[...packages].join(" and ")}${line === undefined ? "" : `: ${line}`})`;
}

/** onnxruntime opens with the place in its source and the condition that did not hold. */
export const oneLine = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    .replace(/^\S+:\d+ .* was false\. /, "")
    .replace(/[.\s]+$/, "");
