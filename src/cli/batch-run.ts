/**
 * @module cli/batch-run
 * The batch command: options -> a file of jobs, a folder and settings; events -> lines; a summary -> the exit code.
 */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { IfGenError, UsageError } from "../errors.ts";
import { chooseShard } from "../machine/cluster-shard.ts";
import { BatchFolder } from "../run/batch/batch-folder.ts";
import { type BatchOptions, countJobs } from "../run/batch/batch-jobs.ts";
import type { BatchSummary } from "../run/batch/batch-events.ts";
import { mergeManifests } from "../run/batch/merge.ts";
import { compileTemplate } from "../run/batch/output-names.ts";
import { parseSeeds } from "../run/batch/expand.ts";
import { type JobSource, readJobs } from "../run/batch/read-jobs.ts";
import { runBatch } from "../run/batch/run-batch.ts";
import { type Store, openStore } from "../run/store/s3-store.ts";
import { showBatchPlan } from "./batch-plan.ts";
import { type BatchView, createBatchView } from "./batch-view.ts";
import type { BatchCommandOptions } from "./batch.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { budgetsFrom } from "./memory-options.ts";
import { jobOptionsFrom } from "./request.ts";
import { say } from "./terminal.ts";

const STDIN = "-";

export async function runBatchCommand(file: string | undefined, options: BatchCommandOptions): Promise<void> {
  const { outputDir, merge } = options;
  if (outputDir === undefined) {
    throw new UsageError("no folder is given for the images; name one with --output-dir, e.g. --output-dir out.");
  }
  if (merge) return mergeShards(outputDir);
  if (file === undefined) {
    throw new UsageError(
      "no file of jobs is given; name one, e.g. prompts.txt with one prompt a line, or - for standard input.",
    );
  }
  const settings = batchOptionsFrom(options);
  if (options.dryRun) await showBatchPlan(await openSource(file, options), settings, options);
  else if (options.queue !== undefined) {
    const { queueBatch } = await import("./batch-queue.ts");
    checkSummary(await queueBatch(await openSource(file, options), settings, options, outputDir));
  } else await drawBatch(file, settings, options, outputDir);
}

async function mergeShards(folder: string): Promise<void> {
  const { manifest, drawn, failed, missing } = await mergeManifests(folder);
  say(`${manifest}: ${drawn} drawn, ${failed} failed.\n`);
  if (missing.length > 0) {
    throw new IfGenError(
      "SOME_FAILED",
      `these shards have no manifest in ${folder} yet: ${missing.join(", ")}; run them, then merge again.`,
    );
  }
  if (failed > 0) throw new IfGenError("SOME_FAILED", `${failed} jobs failed; repeat their shards with --resume.`);
}

/** @throws {UsageError} the template or the list of seeds is not valid. */
function batchOptionsFrom(options: BatchCommandOptions): BatchOptions {
  compileTemplate(options.outputName);
  if (options.seeds !== undefined) parseSeeds(options.seeds);
  return {
    defaults: jobOptionsFrom(options),
    seeds: options.seeds,
    sharedGenerator: options.sharedGenerator,
    template: options.outputName,
    format: options.format,
    uploads: options.uploadTo !== undefined,
    provider: options.executionProvider,
    shard: chooseShard(options.shard),
    chunkSize: options.chunk,
  };
}

/** @throws {UsageError} the file does not exist, or is a folder. */
async function openSource(file: string, { jobsFormat: format }: BatchCommandOptions): Promise<JobSource> {
  if (file === STDIN) {
    if (process.stdin.isTTY) throw new UsageError("the jobs are to come from standard input, which is a terminal.");
    return { name: "standard input", format, bytes: process.stdin };
  }
  const found = await stat(file).catch(() => undefined);
  if (!found || found.isDirectory()) {
    throw new UsageError(`${file}, the file of jobs, ${found ? "is a folder" : "does not exist"}; check its name.`);
  }
  return { name: file, format, bytes: createReadStream(file) };
}

async function drawBatch(
  file: string,
  settings: BatchOptions,
  options: BatchCommandOptions,
  outputDir: string,
): Promise<void> {
  const { resume = false, overwrite = false, failFast = false, devices = [undefined], quiet = false } = options;
  const { keepAlive = false, uploadTo } = options;
  const source = await openSource(file, options);
  const folder = await BatchFolder.open(outputDir, settings.shard, { resume });
  const view = createBatchView(process.stderr, {
    isQuiet: quiet,
    isJson: options.json ?? false,
    workers: devices.length,
  });
  const interrupt = listenForInterrupt(`what is drawn is in ${outputDir}; go on with --resume`);
  let store: Store | undefined;
  try {
    store = uploadTo === undefined ? undefined : await openStore(uploadTo, interrupt.signal);
    const onFirstStage = once(async () => {
      if (file !== STDIN) countInTheBackground(await openSource(file, options), settings, view);
    });
    const summary = await runBatch(readJobs(source), {
      options: settings,
      folder,
      store,
      overwrite,
      failFast,
      devices,
      keepAlive,
      modelsFile: options.modelsFile,
      download: true,
      budgets: budgetsFrom(options),
      signal: interrupt.signal,
      onEvent: (event) => {
        view.show(event);
        if (event.type === "run" && event.event.type === "stage") onFirstStage();
      },
    });
    view.close(summary, folder.manifest.path);
    checkSummary(summary);
  } finally {
    store?.close();
    view.close();
    interrupt.release();
    await folder.close();
  }
}

/** @returns `work`, as something that is done the first time it is called. */
function once(work: () => Promise<void>): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work().catch(() => undefined); // it is only for the progress line
    isDone = true;
  };
}

/** A long file is read for it beside the drawing; until then nobody knows how much is left. */
function countInTheBackground(source: JobSource, settings: BatchOptions, view: BatchView): void {
  const { number, count } = settings.shard;
  countJobs(readJobs(source), settings).then(
    (all) => view.setTotal(Math.floor((all - number) / count) + 1),
    () => undefined, // what is wrong with the file is told by who reads it for its jobs
  );
}

/** @throws {IfGenError} jobs failed, some or all. */
function checkSummary({ drawn, skipped, failed, firstError }: BatchSummary): void {
  if (failed === 0) return;
  const done = drawn + skipped;
  const what = failed === 1 ? "1 job" : `${failed} jobs`;
  const message = `${what} failed, the first because: ${firstError?.message ?? ""}`;
  if (done > 0)
    throw new IfGenError(
      "SOME_FAILED",
      `${what} of ${done + failed} failed; --resume tries them again. The first: ${firstError?.message}`,
    );
  throw new IfGenError("ALL_FAILED", message);
}
