/**
 * @module pipelines/start-thread
 * Threads of this program, and what is said when one of them fails.
 */

import { Worker } from "node:worker_threads";
import { StageError } from "../errors.ts";

export type { Worker };

/** @param onFailure why it has ended, or what it threw; it is told of the end that was asked for, too. */
export function startThread(entry: URL, onFailure: (why: string) => void): Worker {
  const worker = new Worker(entry);
  worker.on("error", (error) => onFailure(error.message));
  worker.on("exit", (code) => onFailure(`it ended with code ${code}`));
  return worker;
}

/** @param thread as a sentence begins with it: `The thread that draws noise`. */
export const threadFailure = (thread: string, why: string): StageError =>
  new StageError(`${thread} failed: ${why.replace(/[\s.]+$/, "")}.`);
