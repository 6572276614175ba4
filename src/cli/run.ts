/**
 * @module cli/run
 * A command that draws: options -> a request, events and results -> lines for people and, with `--json`, for programs.
 */

import { dirname } from "node:path";
import type { StageEnd } from "../executor/executor.ts";
import { readRunRecord } from "../executor/run-folder.ts";
import { sweepDrafts } from "../files/draft.ts";
import type { Request } from "../plan/request.ts";
import { type DrawnJob, drawRequests } from "../run/draw.ts";
import type { RunEvent } from "../run/events.ts";
import { checkOutputs, makeFolder } from "../run/outputs.ts";
import { convertBytes, placeSheet } from "../run/place-image.ts";
import type { RunSettings } from "../run/settings.ts";
import { captionedLayout } from "../run/grid/captions.ts";
import { repeatFrom } from "./repeat-from.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { budgetsFrom, checkResume, resumeCommand } from "./memory-options.ts";
import { memoryReport, writeMemoryReport } from "./memory-report.ts";
import type { CommonOptions } from "./options.ts";
import { promptFrom, requestsFrom, seedOf } from "./request.ts";
import { withStandardInput } from "./standard-input.ts";
import { createEventPrinter, printEvent, resultEventOf, timesOf } from "./json-events.ts";
import { describeResult } from "./report.ts";
import { showPlan, showPlanFirst } from "./show-plan.ts";
import { checkPlaces, outputsOf } from "./run-outputs.ts";
import { previewSettings } from "./preview-options.ts";
import { createStepSaver } from "./save-steps.ts";
import { createRunView } from "./run-view.ts";
import type { CommandName } from "../plan/choices.ts";
import { say, writeBytes } from "./terminal.ts";

/**
 * An earlier run that is gone on with needs no prompt: it kept its request.
 * @param typed names of the options that were typed.
 */
export async function runCommand(
  command: CommandName,
  prompt: string | undefined,
  options: CommonOptions,
  typed: ReadonlySet<string>,
): Promise<void> {
  checkResume(options);
  const { image, mask } = options;
  const given = { prompt: promptFrom(prompt, options.prompt), image, mask };
  await withStandardInput(given, options.runDir, async (inputs) =>
    runGiven(command, { ...options, ...inputs } as CommonOptions, typed),
  ); // what is undefined here was not given
}

async function runGiven(command: CommandName, options: CommonOptions, typed: ReadonlySet<string>): Promise<void> {
  const record = options.resume && options.runDir !== undefined ? await readRunRecord(options.runDir) : undefined;
  const resumed = record?.requests ?? [];
  const isKept = resumed.length > 0 && options.prompt === undefined;
  const repeated = isKept ? undefined : await repeatFrom(command, options, typed);
  const requests = isKept ? resumed : requestsFrom(command, options, resumed, repeated?.options);
  if (!options.quiet) options.seed?.forEach(noteSeed);
  const settings: RunSettings = {
    modelsFile: options.modelsFile,
    download: !options.dryRun,
    budgets: budgetsFrom(options),
    resumedLowMemory: () => Promise.resolve(record?.lowMemory ?? repeated?.lowMemory),
  };
  if (options.dryRun) {
    await checkPlaces(requests, options, resumed.length > 0);
    await (options.mayReadHub ? showPlanFirst : showPlan)(requests, settings, options);
  } else await draw(requests, settings, options, resumed.length > 0);
}

/** torch takes the low 32 bits of a seed; some programs mean "random" by -1. */
function noteSeed(given: bigint): void {
  const seed = seedOf(given);
  if (given === BigInt(seed)) return;
  say(`note: seed ${given} is taken as ${seed}, its low 32 bits, as torch does; leave --seed out for a random one.\n`);
}

async function draw(
  requests: readonly Request[],
  settings: RunSettings,
  options: CommonOptions,
  isResumed: boolean,
): Promise<void> {
  const { quiet, saveStages, saveEmbeds, saveLatents, runDir, resume, overwrite = false } = options;
  const { paths, sheet, written } = outputsOf(requests, options);
  if (saveStages !== undefined) await makeFolder(saveStages);
  const report = createReport(options.report, overwrite);
  for (const folder of new Set(written.map((path) => dirname(path)))) await sweepDrafts(folder);
  await checkOutputs(written, overwrite || isResumed); // what an interrupted run has drawn may be there
  const steps =
    options.saveSteps === undefined ? undefined : await createStepSaver(options.saveSteps, overwrite || isResumed);
  const next =
    runDir === undefined ? "" : resumeCommand(requests[0]?.command ?? "txt2img", { runDir, output: options.output });
  const kept = runDir === undefined ? "nothing was written" : `finished stages are in ${runDir}; \`${next}\` goes on`;
  const interrupt = listenForInterrupt(kept);
  const preview = quiet ? undefined : previewSettings(options, process.stderr);
  const view = createRunView(process.stderr, quiet ?? false, preview);
  const printed = options.json ? createEventPrinter(1) : undefined;
  const start = performance.now();
  try {
    const jobs = await drawRequests(requests, {
      ...settings,
      ...(paths ? { outputs: paths } : {}),
      overwrite,
      runDir,
      resume,
      saveStages,
      saveEmbeds,
      saveLatents,
      previewEvery: steps ? 1 : preview?.every,
      signal: interrupt.signal,
      onEvent: (event) => {
        view.show(event);
        printed?.(event);
        report.add(event);
        steps?.add(event);
      },
    });
    view.close();
    if (sheet !== undefined && paths)
      await placeSheet(paths.flat(), sheet, overwrite || isResumed, captionedLayout(requests));
    steps?.check();
    await present(jobs, (performance.now() - start) / 1000, options);
  } finally {
    view.close();
    interrupt.release();
    await report.write();
  }
}

async function present(
  jobs: readonly DrawnJob[],
  seconds: number,
  { json, quiet, format = "png" }: CommonOptions,
): Promise<void> {
  const [first] = jobs[0]?.images ?? [];
  if (first?.png) await writeBytes(await convertBytes(first.png, format));
  if (json) jobs.forEach((job, index) => printEvent(resultEventOf(job, { job: index + 1 }, timesOf(job, seconds))));
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
