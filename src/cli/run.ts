/**
 * @module cli/run
 * A command that draws: options -> a request, events -> lines, results -> the last line or JSON.
 */

import { UsageError } from "../errors.ts";
import type { StageEnd } from "../executor/executor.ts";
import { readRunRecord } from "../executor/run-folder.ts";
import { checkBudget } from "../memory/budget.ts";
import type { Request } from "../plan/request.ts";
import { completePlans } from "../run/complete-plans.ts";
import { type DrawnJob, drawRequests } from "../run/draw.ts";
import type { RunEvent } from "../run/events.ts";
import { outputPaths, prepareFolder } from "../run/outputs.ts";
import type { RunSettings } from "../run/settings.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { budgetsFrom, checkResume } from "./memory-options.ts";
import { memoryReport, writeMemoryReport } from "./memory-report.ts";
import type { CommonOptions } from "./options.ts";
import { requestFrom } from "./request.ts";
import { describePlan, describeResult, planJson, resultJson } from "./report.ts";
import { createRunView } from "./run-view.ts";
import type { CommandName } from "../plan/choices.ts";

/** `--output -`: the image's bytes on standard output. */
const STDOUT = "-";

/** An earlier run that is gone on with needs no prompt: it kept its request. */
export async function runCommand(
  command: CommandName,
  prompt: string | undefined,
  options: CommonOptions,
): Promise<void> {
  checkResume(options);
  const record = options.resume && options.runDir !== undefined ? await readRunRecord(options.runDir) : undefined;
  const [resumed] = record?.requests ?? [];
  const isRepeated = prompt !== undefined || options.prompt !== undefined;
  const request = resumed && !isRepeated ? resumed : requestFrom(command, prompt, options, resumed);
  const settings: RunSettings = {
    modelsFile: options.modelsFile,
    download: !options.dryRun,
    budgets: budgetsFrom(options),
    lowMemory: record?.lowMemory,
  };
  if (options.dryRun) await showPlan(request, settings, options);
  else await draw(request, settings, options, resumed !== undefined);
}

async function showPlan(request: Request, settings: RunSettings, options: CommonOptions): Promise<void> {
  const onEvent = (event: RunEvent): void => {
    if (event.type === "note" && !options.quiet) process.stderr.write(`note: ${event.text}\n`);
  };
  for (const { plan, needs, limits } of await completePlans([request], { ...settings, onEvent })) {
    process.stdout.write(options.json ? planJson(plan, needs, limits) : describePlan(plan, needs, limits));
    checkBudget(needs, limits);
  }
}

async function draw(
  request: Request,
  settings: RunSettings,
  options: CommonOptions,
  isResumed: boolean,
): Promise<void> {
  const { quiet, saveStages, runDir, resume } = options;
  const toStdout = options.output === STDOUT;
  const paths = toStdout ? undefined : outputsOf(request, options, isResumed);
  if (toStdout && request.numImages > 1) {
    throw new UsageError("--output - takes one image; name a file or drop --num-images.");
  }
  if (saveStages !== undefined) prepareFolder(saveStages);
  const kept = runDir === undefined ? "nothing was written" : `finished stages are in ${runDir}; go on with --resume`;
  const interrupt = listenForInterrupt(kept);
  const view = createRunView(process.stderr, quiet ?? false);
  const report = createReport(options.report);
  const start = performance.now();
  try {
    const [job] = await drawRequests([request], {
      ...settings,
      ...(paths ? { outputs: [paths] } : {}),
      runDir,
      resume,
      saveStages,
      signal: interrupt.signal,
      onEvent: (event) => {
        view.show(event);
        report.add(event);
      },
    });
    view.close();
    if (job) await present(job, (performance.now() - start) / 1000, options);
  } finally {
    view.close();
    interrupt.release();
    await report.write();
  }
}

/** What an interrupted run has drawn may be there. */
function outputsOf({ seed, numImages }: Request, { output, overwrite }: CommonOptions, isResumed: boolean): string[] {
  return outputPaths(output ?? `if-gen-${seed}.png`, numImages, overwrite ?? isResumed);
}

async function present(job: DrawnJob, seconds: number, { json, quiet }: CommonOptions): Promise<void> {
  const [first] = job.images;
  if (first?.png) await writeOut(first.png);
  else if (json) process.stdout.write(resultJson(job, seconds));
  if (!quiet) process.stderr.write(describeResult(job, seconds));
}

const writeOut = (bytes: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => process.stdout.write(bytes, (error) => (error ? reject(error) : resolve())));

/** Predicted against measured, written whatever becomes of the run once it is planned. */
function createReport(file: string | undefined) {
  const ends: StageEnd[] = [];
  let planned: Extract<RunEvent, { type: "plan" }> | undefined;
  return {
    add(event: RunEvent): void {
      if (event.type === "plan") planned = event;
      if (event.type === "stage-end") ends.push(event);
    },
    async write(): Promise<void> {
      if (file !== undefined && planned) {
        await writeMemoryReport(file, memoryReport(planned.limits, planned.needs, ends));
      }
    },
  };
}
