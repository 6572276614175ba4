/**
 * @module cli/run
 * A checked request -> pictures: plan it, run it in a folder of its own, bring the results where they belong.
 */

import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { OutputError } from "../errors.ts";
import { type StageEnd, type StageTimes, runPlan } from "../executor/executor.ts";
import { createReadAhead, createReadOwn } from "../executor/read-ahead.ts";
import { RunFolder } from "../executor/run-folder.ts";
import { type Limits, type StageNeed, checkBudget } from "../memory/budget.ts";
import type { Plan } from "../plan/plan.ts";
import { describeProvider } from "../plan/provider.ts";
import type { Request } from "../plan/request.ts";
import { findRequestedModel } from "../run/find-requested-model.ts";
import { fitPlan, resumedRun, withSeed } from "./fit-plan.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { limitsFrom } from "./memory-options.ts";
import { memoryReport, writeMemoryReport } from "./memory-report.ts";
import type { CommonOptions } from "./options.ts";
import { STDOUT, outputPaths, prepareFolder } from "../run/outputs.ts";
import { preparePlan } from "./prepare.ts";
import { limitsOfCard } from "./provider-options.ts";
import { createProgressView } from "./progress.ts";
import { describePlan, describeResult, resultJson } from "./report.ts";
import { picturesOf, readSafetyReport, saveStages } from "../run/stage-images.ts";
import { budgetTable } from "../memory/budget-table.ts";
import { temporaryFolder } from "../machine/folders.ts";

export async function runRequest(asked: Request, options: CommonOptions): Promise<void> {
  const machineLimits = limitsFrom(options);
  const resumed = await resumedRun(options);
  const request = withSeed(asked, options, resumed);
  const output = options.output ?? `if-gen-${request.seed}.png`;
  const overwrite = options.overwrite ?? resumed !== undefined; // what an interrupted run has drawn may be there
  const paths = options.dryRun ? [] : outputPaths(output, request.numImages, overwrite);
  const prepared = await preparePlan(request, await findRequestedModel(request, options));
  const limits = await limitsOfCard(machineLimits, prepared, options);
  const { plan, needs } = await fitPlan(prepared, limits, resumed, options);
  if (options.dryRun) {
    const text = `${describePlan(plan)}\n${budgetTable(needs, limits)}\n`;
    process.stdout.write(options.json ? `${JSON.stringify({ ...plan, memory: { limits, needs } }, null, 2)}\n` : text);
    checkBudget(needs, limits);
    return;
  }
  checkBudget(needs, limits);
  if (options.saveStages !== undefined) prepareFolder(options.saveStages);
  const memory = { limits, needs };
  if (options.runDir !== undefined) {
    const runFolder = await RunFolder.open(options.runDir, plan, { resume: options.resume ?? false });
    await runIn(runFolder.path, plan, paths, options, { ...memory, runFolder });
    return;
  }
  const folder = await createRunFolder();
  try {
    await runIn(folder, plan, paths, options, memory);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a run is held to, and what of it is kept. */
interface RunMemory {
  readonly limits: Limits;
  readonly needs: readonly StageNeed[];
  readonly runFolder?: RunFolder;
}

async function runIn(
  folder: string,
  plan: Plan,
  paths: readonly string[],
  options: CommonOptions,
  memory: RunMemory,
): Promise<void> {
  const drawn = paths.map((path) => (path === STDOUT ? join(folder, "picture.png") : path));
  const start = performance.now();
  const { times, notes } = await runStages(folder, plan, drawn, options, memory);
  if (options.saveStages !== undefined) await saveStages(folder, options.saveStages, plan, drawn);
  if (paths[0] === STDOUT) await pipeline(createReadStream(drawn[0] ?? ""), process.stdout, { end: false });
  const safety = await readSafetyReport(folder, plan);
  const seconds = (performance.now() - start) / 1000;
  const result = { plan, paths, times, seconds, notes, ...(safety ? { safety } : {}) };
  if (options.json && paths[0] !== STDOUT) process.stdout.write(`${JSON.stringify(resultJson(result), null, 2)}\n`);
  if (!options.quiet) process.stderr.write(describeResult(result));
}

async function runStages(
  folder: string,
  plan: Plan,
  drawn: readonly string[],
  { quiet, saveStages: saved, report, runDir }: CommonOptions,
  { limits, needs, runFolder }: RunMemory,
): Promise<{ times: StageTimes; notes: string[] }> {
  const view = quiet ? undefined : createProgressView(process.stderr, plan);
  const notes: string[] = [];
  const onNote = (text: string): void => {
    notes.push(text);
    view?.note(text);
  };
  const ends: StageEnd[] = [];
  const kept = runDir === undefined ? "nothing was written" : `finished stages are in ${runDir}; go on with --resume`;
  const interrupt = listenForInterrupt(kept);
  try {
    if (!quiet && plan.provider) process.stderr.write(`execution provider: ${describeProvider(plan.provider)}\n`);
    plan.notes.forEach(onNote);
    const times = await runPlan(plan, {
      folder,
      picturesOf: (stage) => picturesOf(stage, plan, drawn, saved),
      signal: interrupt.signal,
      budgetBytes: limits.ramBytes,
      cardBudgetBytes: limits.vramBytes,
      readAhead: createReadAhead(plan, needs, limits),
      readOwn: createReadOwn(plan, needs, limits),
      ...(runFolder ? { runFolder } : {}),
      onStageEnd: (end) => ends.push(end),
      onNote,
      ...(view ? { onProgress: view.update } : {}),
    });
    return { times, notes };
  } finally {
    view?.close();
    interrupt.release();
    if (report !== undefined) await writeMemoryReport(report, memoryReport(limits, needs, ends));
  }
}

async function createRunFolder(): Promise<string> {
  const parent = temporaryFolder();
  try {
    return await mkdtemp(join(parent, "if-gen-"));
  } catch (cause) {
    throw new OutputError(`no folder for intermediate files can be made in ${parent}: set TMPDIR to a writable one.`, {
      cause,
    });
  }
}
