/**
 * @module executor/ahead
 * Processes of stages that are started before their turn, beside a stage before: they load and warm up, then wait.
 */

import type { StageName } from "../plan/stages.ts";
import type { StageTask } from "./protocol.ts";
import { type StageProcess, type StageProcessOptions, startStageProcess } from "./stage-process.ts";

/** One process of a stage. */
export class Ahead {
  readonly #waiting = new Map<StageName, { readonly task: StageTask; readonly process: StageProcess }>();

  isWaiting(stage: StageName): boolean {
    return this.#waiting.has(stage);
  }

  /** @param task with `isAhead`, of a stage that none waits for. */
  start(task: StageTask, options: StageProcessOptions): void {
    const { name } = task.stage;
    const process = startStageProcess(task, { ...options, onProgress: () => undefined });
    this.#waiting.set(name, { task, process });
    process.done.catch(() => {
      if (this.#waiting.get(name)?.process === process) this.#waiting.delete(name); // its turn will tell what is wrong
    });
  }

  /** @returns the process that was started for just this task, told to go on; it is of no use for another one. */
  take(task: StageTask, options: StageProcessOptions): StageProcess | undefined {
    const waiting = this.#waiting.get(task.stage.name);
    if (!waiting) return undefined;
    this.#waiting.delete(task.stage.name);
    if (!isSame(waiting.task, task)) {
      waiting.process.stop();
      return undefined;
    }
    waiting.process.go(task.jobs, options);
    return waiting.process;
  }

  /** Ends them: their turns will not come. */
  async stop(): Promise<void> {
    const processes = [...this.#waiting.values()].map(({ process }) => process);
    this.#waiting.clear();
    for (const process of processes) process.stop();
    await Promise.all(processes.map(({ ended }) => ended));
  }
}

function isSame(a: StageTask, b: StageTask): boolean {
  const jobsOf = ({ jobs }: StageTask): string => jobs.map(({ index }) => index).join();
  return a.executionProvider === b.executionProvider && jobsOf(a) === jobsOf(b);
}
