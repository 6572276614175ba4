/**
 * @module cli/batch-queue
 * `batch --queue`: the jobs are handed to a queue and, with `--wait`, waited for.
 */

import { UsageError } from "../errors.ts";
import type { BatchSummary } from "../run/batch/batch-events.ts";
import { BatchFolder } from "../run/batch/batch-folder.ts";
import type { BatchOptions } from "../run/batch/batch-jobs.ts";
import { type JobSource, readJobs } from "../run/batch/read-jobs.ts";
import { shownAddress } from "../run/queue/open-queue.ts";
import { submitBatch } from "../run/queue/submit.ts";
import type { BatchCommandOptions } from "./batch.ts";
import { createBatchView } from "./batch-view.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { queueAddress } from "./queue-address.ts";
import { say } from "./terminal.ts";

export async function queueBatch(
  source: JobSource,
  settings: BatchOptions,
  options: BatchCommandOptions,
  outputDir: string,
): Promise<BatchSummary> {
  const { resume = false, overwrite = false, quiet = false, json = false, wait = false, attempts } = options;
  const stray = (["failFast", "devices", "keepAlive"] as const).find((name) => options[name] !== undefined);
  if (stray !== undefined) throw new UsageError(`${strayNames[stray]} does not go with --queue.`);
  const url = queueAddress(options.queue);
  const folder = await BatchFolder.open(outputDir, settings.shard, { resume });
  const view = createBatchView(process.stderr, { isQuiet: quiet, isJson: json, workers: 1 });
  const interrupt = listenForInterrupt(`what is queued stays in the queue; --wait --resume goes on`);
  let queued = 0;
  try {
    const summary = await submitBatch(readJobs(source), {
      url,
      options: settings,
      folder,
      uploadTo: options.uploadTo,
      overwrite,
      attempts,
      modelsFile: options.modelsFile,
      wait,
      signal: interrupt.signal,
      onEvent: (event) => {
        if (event.type === "queued") queued += event.jobs;
        view.show(event);
      },
    });
    if (!wait && !quiet) say(`${queued} jobs wait at ${shownAddress(url)}; --wait --resume waits for them.\n`);
    if (!wait) return { ...summary, skipped: summary.skipped + queued };
    view.close(summary, folder.manifest.path);
    return summary;
  } finally {
    view.close();
    interrupt.release();
    await folder.close();
  }
}

/** Options of drawing that a worker has itself, or has no use for. */
const strayNames = { failFast: "--fail-fast", devices: "--devices", keepAlive: "--keep-alive" };
