/**
 * @module cli/queue-run
 * The queue commands: a queue -> lines or JSON.
 */

import { drainQueue, readQueueStatus, retryFailed } from "../run/queue/queue-state.ts";
import { printable } from "../text.ts";
import { queueAddress } from "./queue-address.ts";
import { print, printJson } from "./terminal.ts";

/** Failures that are shown: on a screen, and to programs. */
const SHOWN = { lines: 20, json: 1000 };

const UNTOLD = "unknown, for this Redis user may not list clients";

interface QueueOptions {
  queue?: string;
}

export async function showQueue(options: QueueOptions & { json?: boolean }): Promise<void> {
  const status = await readQueueStatus(queueAddress(options.queue), options.json ? SHOWN.json : SHOWN.lines);
  if (options.json) return printJson(status);
  const { waiting, active, drawn, failed, workers, failures } = status;
  print(`waiting ${waiting}, at work ${active}, drawn ${drawn}, failed ${failed}; workers: ${workers ?? UNTOLD}\n`);
  for (const { file, attempts, code, message } of failures) {
    print(`${printable(file, 200)}, tried ${attempts} times: ${printable(message, 2000)} [${code}]\n`);
  }
}

export async function retryQueue(options: QueueOptions): Promise<void> {
  print(`${await retryFailed(queueAddress(options.queue))} jobs wait again.\n`);
}

export async function emptyQueue(options: QueueOptions): Promise<void> {
  print(`${await drainQueue(queueAddress(options.queue))} jobs were taken out.\n`);
}
