/**
 * @module cli/run
 * A command that draws: options -> a request, events -> lines, results -> the last line or JSON.
 */

import { dirname, join } from "node:path";
import { UsageError } from "../errors.ts";
import type { StageEnd } from "../executor/executor.ts";
import { readRunRecord } from "../executor/run-folder.ts";
import { sweepDrafts } from "../files/draft.ts";
import { checkBudget } from "../memory/budget.ts";
import type { Request } from "../plan/request.ts";
import { completePlans } from "../run/complete-plans.ts";
import { type DrawnJob, drawRequests } from "../run/draw.ts";
import type { RunEvent } from "../run/events.ts";
import { checkOutputs, imagePaths, makeFolder, seedPath } from "../run/outputs.ts";
import type { RunSettings } from "../run/settings.ts";
import { savedStageFiles } from "../run/stage-images.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { budgetsFrom, checkResume } from "./memory-options.ts";
import { memoryReport, writeMemoryReport } from "./memory-report.ts";
import type { CommonOptions } from "./options.ts";
import { promptFrom, requestsFrom, seedOf } from "./request.ts";
import { withStandardInput } from "./standard-input.ts";
import { describePlan, describeResult, planJson, resultJson } from "./report.ts";
import { createRunView } from "./run-view.ts";
import type { CommandName } from "../plan/choices.ts";
import { print, printJson, say, writeBytes } from "./terminal.ts";

/** `--output -`: the image's bytes on standard output. */
const STDOUT = "-";

/** An earlier run that is gone on with needs no prompt: it kept its request. */
export async function runCommand(
  command: CommandName,
  prompt: string | undefined,
  options: CommonOptions,
): Promise<void> {
  checkResume(options);
  const { image, mask } = options;
  const given = { prompt: promptFrom(prompt, options.prompt), image, mask };
  await withStandardInput(given, options.runDir, async (inputs) =>
    runGiven(command, { ...options, ...inputs } as CommonOptions),
  ); // what is undefined here was not given
}

async function runGiven(command: CommandName, options: CommonOptions): Promise<void> {
  const record = options.resume && options.runDir !== undefined ? await readRunRecord(options.runDir) : undefined;
  const resumed = record?.requests ?? [];
  const isKept = resumed.length > 0 && options.prompt === undefined;
  const requests = isKept ? resumed : requestsFrom(command, options, resumed);
  if (!options.quiet) options.seed?.forEach(noteSeed);
  const settings: RunSettings = {
    modelsFile: options.modelsFile,
    download: !options.dryRun,
    budgets: budgetsFrom(options),
    lowMemory: record?.lowMemory,
  };
  if (options.dryRun) await showPlan(requests, settings, options);
  else await draw(requests, settings, options, resumed.length > 0);
}

/** torch takes the low 32 bits of a seed; some programs mean "random" by -1. */
function noteSeed(given: bigint): void {
  const seed = seedOf(given);
  if (given === BigInt(seed)) return;
  say(`note: seed ${given} is taken as ${seed}, its low 32 bits, as torch does; leave --seed out for a random one.\n`);
}

async function showPlan(requests: readonly Request[], settings: RunSettings, options: CommonOptions): Promise<void> {
  const onEvent = (event: RunEvent): void => {
    if (event.type === "note" && !options.quiet) say(`note: ${event.text}\n`);
  };
  for (const { plan, needs, limits } of await completePlans(requests, { ...settings, onEvent })) {
    if (options.json) printJson(planJson(plan, needs, limits));
    else print(describePlan(plan, needs, limits));
    checkBudget(needs, limits, plan);
  }
}

async function draw(
  requests: readonly Request[],
  settings: RunSettings,
  options: CommonOptions,
  isResumed: boolean,
): Promise<void> {
  const { quiet, saveStages, runDir, resume, overwrite = false } = options;
  const toStdout = options.output === STDOUT;
  const [{ numImages, until } = { numImages: 1, until: 1024 as const }] = requests;
  const hasMany = requests.length > 1;
  if (toStdout && (hasMany || numImages > 1)) {
    throw new UsageError("--output - takes one image; name a file, or drop --num-images and give one seed.");
  }
  if (saveStages !== undefined && hasMany) {
    throw new UsageError("--save-stages keeps the stages of one drawing; give one seed.");
  }
  const paths = toStdout
    ? undefined
    : requests.map(({ seed }) => imagePaths(outputOf(options, seed, hasMany), numImages));
  if (saveStages !== undefined) await makeFolder(saveStages);
  const saved = saveStages === undefined ? [] : savedStageFiles(until, numImages);
  const report = createReport(options.report, overwrite);
  const written = [
    ...(paths ?? []).flat(),
    ...saved.map((name) => join(saveStages ?? "", name)),
    ...(options.report === undefined ? [] : [options.report]),
  ];
  for (const folder of new Set(written.map((path) => dirname(path)))) await sweepDrafts(folder);
  await checkOutputs(written, overwrite || isResumed); // what an interrupted run has drawn may be there
  const kept = runDir === undefined ? "nothing was written" : `finished stages are in ${runDir}; go on with --resume`;
  const interrupt = listenForInterrupt(kept);
  const view = createRunView(process.stderr, quiet ?? false);
  const start = performance.now();
  try {
    const jobs = await drawRequests(requests, {
      ...settings,
      ...(paths ? { outputs: paths } : {}),
      overwrite,
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
    await present(jobs, (performance.now() - start) / 1000, options);
  } finally {
    view.close();
    interrupt.release();
    await report.write();
  }
}

/** Of several seeds the names have the seed in them: car-7.png. */
function outputOf({ output }: CommonOptions, seed: number, hasMany: boolean): string {
  if (output === undefined) return `if-gen-${seed}.png`;
  return hasMany ? seedPath(output, seed) : output;
}

async function present(jobs: readonly DrawnJob[], seconds: number, { json, quiet }: CommonOptions): Promise<void> {
  const [only, ...more] = jobs;
  const [first] = only?.images ?? [];
  if (first?.png) await writeBytes(first.png);
  else if (json) printJson(more.length > 0 ? jobs.map((job) => resultJson(job, seconds)) : resultJson(only!, seconds));
  if (!quiet) jobs.forEach((job) => say(describeResult(job, seconds)));
}

/** Predicted against measured, written whatever becomes of the run once it is planned. */
function createReport(file: string | undefined, overwrite: boolean) {
  const ends: StageEnd[] = [];
  let planned: Extract<RunEvent, { type: "plan" }> | undefined;
  return {
    add(event: RunEvent): void {
      if (event.type === "plan") planned = event;
      if (event.type === "stage-end") ends.push(event);
    },
    async write(): Promise<void> {
      if (file !== undefined && planned) {
        await writeMemoryReport(file, memoryReport(planned.limits, planned.needs, ends), overwrite);
      }
    },
  };
}
