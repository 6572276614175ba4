/**
 * @module cli/worker-run
 * The worker command: options -> a queue and settings; events -> lines.
 */

import { UsageError } from "../errors.ts";
import type { Request } from "../plan/request.ts";
import { shownAddress } from "../run/queue/open-queue.ts";
import { work } from "../run/queue/work.ts";
import { openStore } from "../run/store/s3-store.ts";
import { createBatchView } from "./batch-view.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { budgetsFrom } from "./memory-options.ts";
import { queueAddress } from "./queue-address.ts";
import { say } from "./terminal.ts";
import type { WorkerOptions } from "./worker.ts";

export async function runWorker(options: WorkerOptions): Promise<void> {
  const {
    outputDir,
    chunk,
    rate,
    lostAfter,
    untilEmpty = false,
    keepAlive = false,
    quiet = false,
    json = false,
  } = options;
  const { uploadTo } = options;
  if (uploadTo !== undefined && outputDir !== undefined)
    throw new UsageError("images go to --output-dir or --upload-to; leave one of them out.");
  const url = queueAddress(options.queue);
  const interrupt = listenForInterrupt("its jobs go back to the queue");
  const view = createBatchView(process.stderr, { isQuiet: quiet, isJson: json, workers: 1 });
  try {
    if (!quiet) say(`worker of ${shownAddress(url)}\n`);
    if (uploadTo !== undefined) (await openStore(uploadTo, interrupt.signal)).close(); // fails before a job is taken
    const summary = await work({
      url,
      chunkSize: chunk,
      outputDir: uploadTo ?? outputDir,
      untilEmpty,
      keepAlive,
      lostAfterMs: 1000 * lostAfter,
      ratePerMinute: rate,
      modelsFile: options.modelsFile,
      download: true,
      budgets: budgetsFrom(options),
      signal: interrupt.signal,
      onDevice: onThisMachine(options),
      onEvent: view.show,
    });
    view.close({ ...summary, skipped: 0 }, shownAddress(url));
  } finally {
    view.close();
    interrupt.release();
  }
}

/** What is said of this machine takes the place of what the jobs say. */
function onThisMachine({ executionProvider, deviceId, threads }: WorkerOptions): (request: Request) => Request {
  return (request) => ({
    ...request,
    ...(executionProvider === "auto" ? {} : { executionProvider }),
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(threads === undefined ? {} : { threads }),
  });
}
