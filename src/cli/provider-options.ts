/**
 * @module cli/provider-options
 * Where the networks run: the options, and what follows from them for the memory of the card.
 */

import { type Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import type { Limits } from "../memory/budget.ts";
import type { Plan } from "../plan/plan.ts";
import type { AskedProvider } from "../plan/request.ts";
import type { MemoryOptions } from "./memory-options.ts";
import { integer } from "./values.ts";

export interface ProviderOptions {
  executionProvider: AskedProvider;
  deviceId?: number;
}

export function addProviderOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--execution-provider <name>",
        "what computes: cpu, cuda, webgpu, or auto: the first of cuda, webgpu and cpu that works here",
      )
        .choices(["auto", "cpu", "cuda", "webgpu"])
        .default("auto"),
    )
    .option("--device-id <index>", "which NVIDIA GPU cuda takes (default: the first, 0)", integer(0, 255));
}

/** @throws {UsageError} a GPU is named for a provider that takes none. */
export function checkProviderOptions({ executionProvider, deviceId }: ProviderOptions): void {
  if (deviceId === undefined || executionProvider === "cuda" || executionProvider === "auto") return;
  throw new UsageError(
    `--device-id names a GPU for cuda; leave it out with --execution-provider ${executionProvider}.`,
  );
}

/** @returns the limits with what the chosen card has free, where that can be asked and nothing else was said. */
export async function limitsOfCard(
  limits: Limits,
  { gpuStages = {}, provider }: Plan,
  { vramBudget, budget }: MemoryOptions,
): Promise<Limits> {
  if (vramBudget !== undefined || Object.keys(gpuStages).length === 0) return limits;
  const { readNvidiaGpus } = await import("../executor/probe.ts"); // --help needs none of it
  const free = (await readNvidiaGpus())?.[provider?.deviceId ?? 0]?.freeBytes;
  if (free === undefined) return limits;
  return { ...limits, vramBytes: budget === "machine" ? free : Math.min(free, limits.vramBytes) };
}
