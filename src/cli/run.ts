/**
 * @module cli/run
 * A command that draws: options -> a request, events -> lines, results -> the last line or JSON.
 */

import { dirname, join } from "node:path";
import { UsageError } from "../errors.ts";
import type { StageEnd } from "../executor/executor.ts";
import { readRunRecord } from "../executor/run-folder.ts";
import { sweepDrafts } from "../files/draft.ts";
import { extensionOf } from "../image/formats.ts";
import type { Request } from "../plan/request.ts";
import { type DrawnJob, drawRequests } from "../run/draw.ts";
import type { RunEvent } from "../run/events.ts";
import { checkOutputs, imagePaths, makeFolder } from "../run/outputs.ts";
import { convertBytes, placeSheet } from "../run/place-image.ts";
import type { RunSettings } from "../run/settings.ts";
import { savedStageFiles } from "../run/stage-images.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { budgetsFrom, checkResume, resumeCommand } from "./memory-options.ts";
import { memoryReport, writeMemoryReport } from "./memory-report.ts";
import type { CommonOptions } from "./options.ts";
import { promptFrom, requestFrom } from "./request.ts";
import { withStandardInput } from "./standard-input.ts";
import { describeResult, resultJson } from "./report.ts";
import { showPlan, showPlanFirst } from "./show-plan.ts";
import { previewSettings } from "./preview-options.ts";
import { createStepSaver } from "./save-steps.ts";
import { createRunView } from "./run-view.ts";
import type { CommandName } from "../plan/choices.ts";
import { printJson, say, writeBytes } from "./terminal.ts";

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
  const [resumed] = record?.requests ?? [];
  const request = resumed && options.prompt === undefined ? resumed : requestFrom(command, options, resumed);
  if (!options.quiet) noteSeed(options.seed, request);
  const settings: RunSettings = {
    modelsFile: options.modelsFile,
    download: !options.dryRun,
    budgets: budgetsFrom(options),
    lowMemory: record?.lowMemory,
  };
  if (options.dryRun) await (options.mayReadHub ? showPlanFirst : showPlan)(request, settings, options);
  else await draw(request, settings, options, resumed !== undefined);
}

/** torch takes the low 32 bits of a seed; some programs mean "random" by -1. */
function noteSeed(given: bigint | undefined, { seed }: Request): void {
  if (given === undefined || given === BigInt(seed)) return;
  say(`note: seed ${given} is taken as ${seed}, its low 32 bits, as torch does; leave --seed out for a random one.\n`);
}

async function draw(
  request: Request,
  settings: RunSettings,
  options: CommonOptions,
  isResumed: boolean,
): Promise<void> {
  const { quiet, saveStages, runDir, resume, overwrite = false } = options;
  const toStdout = options.output === STDOUT;
  if (toStdout && request.numImages > 1) {
    throw new UsageError("--output - takes one image; name a file or drop --num-images.");
  }
  const name = `if-gen-${request.seed}${extensionOf(options.format ?? "png")}`;
  const output = options.output ?? join(options.outputFolder ?? "", name);
  const paths = toStdout ? undefined : imagePaths(output, request.numImages, options.format);
  const sheet = options.grid === undefined ? undefined : sheetPath(options.grid, request.numImages, paths);
  if (saveStages !== undefined) await makeFolder(saveStages);
  const saved = saveStages === undefined ? [] : savedStageFiles(request.until, request.numImages);
  const report = createReport(options.report, overwrite);
  const written = [
    ...(paths ?? []),
    ...(sheet === undefined ? [] : [sheet]),
    ...saved.map((name) => join(saveStages ?? "", name)),
    ...(options.report === undefined ? [] : [options.report]),
  ];
  for (const folder of new Set(written.map((path) => dirname(path)))) await sweepDrafts(folder);
  await checkOutputs(written, overwrite || isResumed); // what an interrupted run has drawn may be there
  const steps =
    options.saveSteps === undefined ? undefined : await createStepSaver(options.saveSteps, overwrite || isResumed);
  const next = runDir === undefined ? "" : resumeCommand(request.command, { runDir, output: options.output });
  const kept = runDir === undefined ? "nothing was written" : `finished stages are in ${runDir}; \`${next}\` goes on`;
  const interrupt = listenForInterrupt(kept);
  const preview = quiet ? undefined : previewSettings(options, process.stderr);
  const view = createRunView(process.stderr, quiet ?? false, preview);
  const start = performance.now();
  try {
    const [job] = await drawRequests([request], {
      ...settings,
      ...(paths ? { outputs: [paths] } : {}),
      overwrite,
      runDir,
      resume,
      saveStages,
      previewEvery: steps ? 1 : preview?.every,
      signal: interrupt.signal,
      onEvent: (event) => {
        view.show(event);
        report.add(event);
        steps?.add(event);
      },
    });
    view.close();
    if (sheet !== undefined && paths) await placeSheet(paths, sheet, overwrite || isResumed);
    steps?.check();
    if (job) await present(job, (performance.now() - start) / 1000, options);
  } finally {
    view.close();
    interrupt.release();
    await report.write();
  }
}

async function present(job: DrawnJob, seconds: number, { json, quiet, format = "png" }: CommonOptions): Promise<void> {
  const [first] = job.images;
  if (first?.png) await writeBytes(await convertBytes(first.png, format));
  else if (json) printJson(resultJson(job, seconds));
  if (!quiet) say(describeResult(job, seconds));
}

/** @throws {UsageError} there are no files to make a sheet of. */
function sheetPath(grid: string, numImages: number, paths: readonly string[] | undefined): string {
  if (numImages > 1 && paths) return imagePaths(grid, 1)[0] ?? grid;
  throw new UsageError("--grid makes a sheet of several images in files; give --num-images too, and no --output -.");
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
