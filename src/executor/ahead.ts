/**
 * @module executor/ahead
 * The process of a stage that is started before its turn, beside the stage before: it loads and warms up, then waits.
 */

import type { StageTask } from "./protocol.ts";
import { type StageProcess, type StageProcessOptions, startStageProcess } from "./stage-process.ts";

/** One process at a time. */
export class Ahead {
  #waiting: { readonly task: StageTask; readonly process: StageProcess } | undefined;

  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** @param task with `isAhead`. */
  start(task: StageTask, options: StageProcessOptions): void {
    const process = startStageProcess(task, { ...options, onProgress: () => undefined });
    this.#waiting = { task, process };
    process.done.catch(() => {
      if (this.#waiting?.process === process) this.#waiting = undefined; // its turn will tell what is wrong
    });
  }

  /** @returns the process that was started for just this task, told to go on; it is of no use for another one. */
  take(task: StageTask, options: StageProcessOptions): StageProcess | undefined {
    const waiting = this.#waiting;
    if (waiting?.task.stage.name !== task.stage.name) return undefined;
    this.#waiting = undefined;
    if (!isSame(waiting.task, task)) {
      waiting.process.stop();
      return undefined;
    }
    waiting.process.go(task.jobs, options);
    return waiting.process;
  }

  /** Ends it: its turn will not come. */
  async stop(): Promise<void> {
    const process = this.#waiting?.process;
    this.#waiting = undefined;
    process?.stop();
    await process?.ended;
  }
}

function isSame(a: StageTask, b: StageTask): boolean {
  const jobsOf = ({ jobs }: StageTask): string => jobs.map(({ index }) => index).join();
  return a.executionProvider === b.executionProvider && jobsOf(a) === jobsOf(b);
}
