/**
 * @module run/batch/hand-over
 * Jobs that a worker could not draw because of the machine under it (its stage's process was killed, its GPU is gone or full):
 * another worker draws them. One whose jobs others draw again and again takes no more.
 */

import type { IfGenError } from "../../errors.ts";
import type { BatchJob } from "./batch-jobs.ts";

/** Ends of a device, and not of the job's own making. */
const deviceFailures: readonly string[] = ["STAGE", "MEMORY_BUDGET", "PROVIDER"];
/** One that dies now and then is worth keeping. */
const MAX_STRIKES = 3;

export interface FailedAttempt {
  readonly worker: number;
  readonly error: IfGenError;
}

export class HandOver {
  /** Jobs that wait for another worker, with what became of them before. */
  readonly #waiting = new Set<BatchJob>();
  readonly #attempts = new Map<BatchJob, FailedAttempt[]>();
  /** Of each worker, how many of its jobs others have drawn since it last drew one. */
  readonly #strikes: number[];
  readonly #atWork = new Set<number>();
  readonly #gone = new Set<number>();
  #wake: () => void = () => undefined;
  #changed = this.#nextChange();

  constructor(workers: number) {
    this.#strikes = Array.from({ length: workers }, () => 0);
  }

  /** @returns false: nobody is left to try it, or it would fail everywhere. */
  offer(worker: number, job: BatchJob, error: IfGenError): boolean {
    if (!deviceFailures.includes(error.code)) return false;
    const attempts = [...this.attemptsOf(job), { worker, error }];
    const isLeft = this.#strikes.some(
      (_, other) => !this.#gone.has(other) && !this.isRetired(other) && attempts.every((one) => one.worker !== other),
    );
    if (!isLeft) return false;
    this.#attempts.set(job, attempts);
    this.#waiting.add(job);
    this.#tell();
    return true;
  }

  /** @returns what waits for this worker, which is at work with it then. */
  take(worker: number, most: number): BatchJob[] {
    const jobs = this.#untriedBy(worker).slice(0, most);
    for (const job of jobs) this.#waiting.delete(job);
    if (jobs.length > 0) this.begin(worker);
    return jobs;
  }

  /** @returns jobs that nobody took, at the end: who could have was sent off meanwhile. */
  left(): readonly (readonly [BatchJob, IfGenError])[] {
    return [...this.#waiting].map((job) => [job, this.attemptsOf(job).at(-1)!.error] as const);
  }

  attemptsOf(job: BatchJob): readonly FailedAttempt[] {
    return this.#attempts.get(job) ?? [];
  }

  /** A worker has drawn a job. @returns workers that take no more from now on. */
  drew(worker: number, job: BatchJob): number[] {
    this.#strikes[worker] = 0;
    const before = this.#strikes.map((_, other) => this.isRetired(other));
    for (const attempt of this.attemptsOf(job)) this.#strikes[attempt.worker]!++;
    this.#attempts.delete(job);
    return this.#strikes.flatMap((_, other) => (this.isRetired(other) && !before[other] ? [other] : []));
  }

  isRetired(worker: number): boolean {
    return this.#strikes[worker]! >= MAX_STRIKES;
  }

  /** The worker has, or may be about to get, something to do. */
  begin(worker: number): void {
    this.#atWork.add(worker);
  }

  end(worker: number): void {
    this.#atWork.delete(worker);
    this.#tell();
  }

  /** The worker takes nothing more. */
  leave(worker: number): void {
    this.#gone.add(worker);
    this.end(worker);
  }

  /** While others are at work, something may still be handed over: waits for it. @returns false: nothing will be. */
  async mayGetMore(worker: number, signal: AbortSignal): Promise<boolean> {
    if (this.#untriedBy(worker).length > 0) return true;
    if (this.#atWork.size === 0) return false;
    signal.addEventListener("abort", this.#wake, { once: true });
    await this.#changed;
    return true;
  }

  #untriedBy(worker: number): BatchJob[] {
    return [...this.#waiting].filter((job) => this.attemptsOf(job).every((one) => one.worker !== worker));
  }

  #tell(): void {
    this.#wake();
    this.#changed = this.#nextChange();
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
