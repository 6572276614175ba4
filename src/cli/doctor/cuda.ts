/**
 * @module cli/doctor/cuda
 * onnxruntime's CUDA provider: is it there, of the right version, and are the libraries that it is linked with.
 */

import { dirname } from "node:path";
import { missingCudaLibraries } from "../../executor/install-cuda.ts";
import { probe, readNvidiaGpus } from "../../executor/probe.ts";
import { linkedLibraries, linkedPaths, onnxruntimeVersion, requirementProblem } from "../../executor/provider-files.ts";
import { type CudaLibraries, packageOf, pipLine } from "../../machine/cuda-libraries.ts";
import { driverTooOld } from "../../machine/nvidia.ts";
import { providers } from "../../onnx/lower/providers.ts";
import { type Check, note, ok, problem } from "./check.ts";
import { isWorking, wordsOf } from "./engine.ts";

const { requirements } = providers.cuda;

/** @returns one or two checks. Each is a problem where it keeps cuda from working: the caller knows whether that matters. */
export async function checkCuda(platform: string): Promise<Check[]> {
  const platforms = requirements.platforms ?? [];
  if (!platforms.includes(platform)) return [note("cuda", `onnxruntime-node has it on ${platforms.join(", ")} only`)];
  const absent = missingCudaLibraries();
  if (absent.length > 0) {
    return [problem("cuda", `${absent.join(" and ")} not installed`, `run: ${requirements.installCommand}`)];
  }
  const unusable = requirementProblem(requirements);
  if (unusable !== undefined) return [problem("cuda", unusable, `run: ${requirements.installCommand}`)];
  const libraries = linkedLibraries(requirements);
  return [...(libraries ? [describeLibraries(libraries)] : []), await tryCuda(libraries)];
}

/** @returns where they are, and which of them are nowhere. */
export function describeLibraries({ major, found, missing, folders }: CudaLibraries): Check {
  const name = "CUDA libraries";
  const wants = `the provider is made for CUDA ${major ?? "?"}`;
  if (missing.length > 0) {
    const packages = new Set(missing.map(packageOf).map((one) => (one === "CUDA" ? `CUDA ${major}` : one)));
    const line = pipLine(missing, major);
    const next = `install ${[...packages].join(" and ")}${line === undefined ? "" : `; for instance: ${line}`}`;
    return problem(name, `${wants}; missing: ${missing.join(", ")}`, next);
  }
  const places = [...new Set([...found.values()].map((path) => dirname(path)))].join(", ");
  const added = folders.length === 0 ? "" : "; if-gen adds to LD_LIBRARY_PATH of its own processes what is not in it";
  return ok(name, `${wants}: ${found.size} found in ${places}${added}`);
}

async function tryCuda(libraries: CudaLibraries | undefined): Promise<Check> {
  const answer = await probe({ ask: "provider", name: "cuda" });
  if (isWorking(answer))
    return ok("cuda", `works, onnxruntime ${onnxruntimeVersion()}, CUDA ${libraries?.major ?? "?"}`);
  const driver = (await readNvidiaGpus())?.[0]?.driver;
  const least = driver === undefined ? undefined : driverTooOld(driver, libraries?.major);
  if (least !== undefined) {
    const next = `install NVIDIA's driver ${least} or later, or a provider for an older CUDA (if-gen setup cuda --from)`;
    return problem("cuda", `NVIDIA's driver ${driver} is too old for CUDA ${libraries?.major}`, next);
  }
  if (libraries && libraries.missing.length > 0)
    return problem("cuda", wordsOf(answer), "install the CUDA libraries above");
  return problem("cuda", (await loaderWords(libraries)) ?? wordsOf(answer), "check the driver and the libraries above");
}

/** onnxruntime does not pass on what the loader says. @returns its words; undefined: it loads them all. */
async function loaderWords(libraries: CudaLibraries | undefined): Promise<string | undefined> {
  const names = [...(libraries?.found.keys() ?? []), ...linkedPaths(requirements)];
  const answer = await probe({ ask: "libraries", names, provider: "cuda" });
  if (!("libraries" in answer)) return undefined;
  return answer.libraries.find(({ problem: words }) => words !== null)?.problem ?? undefined;
}
