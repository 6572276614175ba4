/**
 * @module cli/fit-plan
 * What is added to a plan before it runs: the thrift with which it fits the memory, and, when a run is gone on with, the
 * seed and the thrift of that run, since other ones would give other pictures.
 */

import { join } from "node:path";
import { type RunRecord, readRunRecord } from "../executor/run-folder.ts";
import { planMemory } from "../executor/stage-memory.ts";
import type { Limits, StageNeed } from "../plan/budget.ts";
import { cacheFolder } from "../plan/machine.ts";
import type { Plan } from "../plan/plan.ts";
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
  { textEncoderBits }: CommonOptions,
): Promise<{ plan: Plan; needs: StageNeed[] }> {
  const cache = join(cacheFolder(), "text-encoder");
  const plan = textEncoderBits === undefined ? prepared : { ...prepared, textEncoderCache: cache };
  const needs = await planMemory(plan, limits);
  const chosen = needs.filter(({ thrift }) => Object.keys(thrift).length > 0);
  const thrift = resumed?.thrift ?? Object.fromEntries(chosen.map((need) => [need.stage, need.thrift]));
  const notes = chosen.length > 0 && !resumed ? [thriftNote(chosen)] : [];
  if (Object.keys(thrift).length === 0) return { plan, needs };
  return { plan: { ...plan, thrift, notes: [...plan.notes, ...notes] }, needs };
}

function thriftNote(needs: readonly StageNeed[]): string {
  const stages = needs.map(({ stage, thrift }) => {
    const turns = thrift.maxBatch === undefined ? [] : [`${thrift.maxBatch} at a time`];
    const strips = thrift.stripBytes === undefined ? [] : ["decoding in strips"];
    return `${stage}: ${[...turns, ...strips].join(", ")}`;
  });
  return `To fit the memory budget, slower: ${stages.join("; ")}.`;
}
