/**
 * @module cli/fit-plan
 * What is added to a plan before it runs: the thrift with which it fits the memory, which stages a card has no room for, and, when a run is gone on with, the
 * seed and the thrift of that run, since other ones would give other pictures.
 */

import { join } from "node:path";
import { UsageError } from "../errors.ts";
import { type RunRecord, readRunRecord } from "../executor/run-folder.ts";
import { planMemory } from "../memory/predict-stages.ts";
import { type Limits, type StageNeed, gigabytes, overruns } from "../memory/budget.ts";
import { cacheFolder } from "../machine/machine.ts";
import type { Plan, TextEncoderChoice, UnetChoice } from "../plan/plan.ts";
import type { Request } from "../plan/request.ts";
import type { CommonOptions } from "./options.ts";

/** @returns what `--run-dir` holds, when `--resume` asks for it; undefined when there is nothing to go on with. */
export async function resumedRun({ resume, runDir }: CommonOptions): Promise<RunRecord | undefined> {
  return resume && runDir !== undefined ? readRunRecord(runDir) : undefined;
}

/** A resumed command that names no seed has that of its run. */
export function withSeed(request: Request, { seed }: CommonOptions, resumed: RunRecord | undefined): Request {
  return seed === undefined && resumed ? { ...request, seed: resumed.seed } : request;
}

/** @returns the plan with its thrift, and what its stages need. Does not throw when one is too large. */
export async function fitPlan(
  prepared: Plan,
  limits: Limits,
  resumed: RunRecord | undefined,
  options: CommonOptions,
): Promise<{ plan: Plan; needs: StageNeed[] }> {
  const textEncoder = textEncoderChoice(options);
  const unet = unetChoice(options);
  const chosenWeights = { ...prepared, ...(textEncoder ? { textEncoder } : {}), ...(unet ? { unet } : {}) };
  const { plan, needs } = await offTooSmallCard(chosenWeights, limits);
  const chosen = needs.filter(({ thrift }) => Object.keys(thrift).length > 0);
  const thrift = resumed?.thrift ?? Object.fromEntries(chosen.map((need) => [need.stage, need.thrift]));
  const notes = chosen.length > 0 && !resumed ? [thriftNote(chosen)] : [];
  if (Object.keys(thrift).length === 0) return { plan, needs };
  return { plan: { ...plan, thrift, notes: [...plan.notes, ...notes] }, needs };
}

/** @throws {UsageError} int8 activations with 4-bit weights. */
function textEncoderChoice({ textEncoderBits, textEncoderActivations }: CommonOptions): TextEncoderChoice | undefined {
  if (textEncoderBits === undefined && textEncoderActivations !== "int8") return undefined;
  if (textEncoderBits === "4" && textEncoderActivations === "int8") {
    throw new UsageError("--text-encoder-activations int8 goes with --text-encoder-bits 8; leave one of them out.");
  }
  const cache = join(cacheFolder(), "text-encoder");
  return { bits: textEncoderBits === "4" ? 4 : 8, cache, activations: textEncoderActivations ?? "float32" };
}

const unetChoice = ({ unetBits }: CommonOptions): UnetChoice | undefined =>
  unetBits === "8" ? { bits: 8, cache: join(cacheFolder(), "unet") } : undefined;

/** Stages that nobody insisted on having on the card go to the processor if they do not fit there. */
async function offTooSmallCard(plan: Plan, limits: Limits): Promise<{ plan: Plan; needs: StageNeed[] }> {
  const needs = await planMemory(plan, limits);
  const tooLarge = needs.filter((need) => overruns(need, limits));
  if (tooLarge.length === 0 || plan.provider?.asked !== "auto") return { plan, needs };
  const left = Object.entries(plan.gpuStages ?? {}).filter(([name]) => tooLarge.every(({ stage }) => stage !== name));
  const names = tooLarge.map(({ stage, gpuBytes = 0 }) => `${stage} (${gigabytes(gpuBytes)} GB, predicted)`).join(", ");
  const note = `Not in ${gigabytes(limits.vramBytes)} GB of GPU memory, so on the processor: ${names}.`;
  const own = { ...plan, gpuStages: Object.fromEntries(left), notes: [...plan.notes, note] };
  return { plan: own, needs: await planMemory(own, limits) };
}

function thriftNote(needs: readonly StageNeed[]): string {
  const stages = needs.map(({ stage, thrift }) => {
    const turns = thrift.maxBatch === undefined ? [] : [`${thrift.maxBatch} at a time`];
    const strips = thrift.stripBytes === undefined ? [] : ["decoding in strips"];
    return `${stage}: ${[...turns, ...strips].join(", ")}`;
  });
  return `To fit the memory budget, slower: ${stages.join("; ")}.`;
}
