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
  /** Those that will wait in a moment. */
  readonly #offered = new Set<BatchJob>();
  readonly #attempts = new Map<BatchJob, FailedAttempt[]>();
  /** Of each worker, how many of its jobs others have drawn since it last drew one. */
  readonly #strikes: number[];
  /** Of each worker, the jobs it has handed over since it last drew one, and of which nobody has said yet whose fault it is. */
  readonly #undecided: Set<BatchJob>[];
  readonly #atWork = new Set<number>();
  /** Those at work with what was handed over. */
  readonly #atPart = new Set<number>();
  readonly #gone = new Set<number>();
  #wake: () => void = () => undefined;
  #changed = this.#nextChange();

  constructor(workers: number) {
    this.#strikes = Array.from({ length: workers }, () => 0);
    this.#undecided = Array.from({ length: workers }, () => new Set());
  }

  /** @returns false: nobody is left to try it, or it would fail everywhere. */
  offer(worker: number, job: BatchJob, error: IfGenError): boolean {
    if (!deviceFailures.includes(error.code)) return false;
    const attempts = [...this.attemptsOf(job), { worker, error }];
    this.#attempts.set(job, attempts);
    if (!this.#canBeTaken(job)) {
      this.settle(job);
      return false;
    }
    this.#undecided[worker]!.add(job);
    if (this.#offered.size === 0) setImmediate(() => this.#share());
    this.#offered.add(job);
    return true;
  }

  /**
   * @returns a fair part of what waits for this worker, which is at work with it then: the others that could take of it, and have
   * no part yet, find as much.
   */
  take(worker: number, most: number): BatchJob[] {
    const waiting = this.#untriedBy(worker);
    const takers = this.#workers().filter(
      (one) => one === worker || (!this.#atPart.has(one) && this.#mayTake(one, waiting)),
    );
    const jobs = waiting.slice(0, Math.min(most, Math.ceil(waiting.length / takers.length)));
    for (const job of jobs) this.#waiting.delete(job);
    if (jobs.length > 0) {
      this.begin(worker);
      this.#atPart.add(worker);
    }
    return jobs;
  }

  /** @returns jobs that nobody took, at the end: who could have was sent off meanwhile. */
  left(): readonly (readonly [BatchJob, IfGenError])[] {
    return [...this.#waiting, ...this.#offered].map((job) => [job, this.attemptsOf(job).at(-1)!.error] as const);
  }

  attemptsOf(job: BatchJob): readonly FailedAttempt[] {
    return this.#attempts.get(job) ?? [];
  }

  /** A worker has drawn a job. @returns workers that take no more from now on. */
  drew(worker: number, job: BatchJob): number[] {
    this.#strikes[worker] = 0;
    this.#undecided[worker]!.clear();
    const before = this.#workers().filter((other) => this.isRetired(other));
    for (const attempt of this.attemptsOf(job)) this.#strikes[attempt.worker]!++;
    this.settle(job);
    return this.#workers().filter((other) => this.isRetired(other) && !before.includes(other));
  }

  /** Nobody is to draw the job any more: it is drawn, or failed. */
  settle(job: BatchJob): void {
    if (!this.#attempts.delete(job)) return;
    for (const jobs of this.#undecided) jobs.delete(job);
    this.#tell(); // who is in doubt no longer goes on
  }

  isRetired(worker: number): boolean {
    return this.#strikes[worker]! >= MAX_STRIKES;
  }

  /**
   * Whether the worker may retire once others have tried what it handed over. Until then it begins nothing new: one whose GPU is
   * full fails at a chunk in a second, and would go through all jobs before the first of them is drawn.
   */
  isInDoubt(worker: number): boolean {
    const isOtherAtWork = [...this.#atWork].some((other) => other !== worker);
    const open = [...this.#undecided[worker]!].filter((job) => {
      if (this.#waiting.has(job)) return this.#canBeTaken(job);
      return this.#offered.has(job) || isOtherAtWork;
    });
    return open.length > 0 && this.#strikes[worker]! + open.length >= MAX_STRIKES;
  }

  /** The worker has, or may be about to get, something to do. */
  begin(worker: number): void {
    this.#atWork.add(worker);
  }

  end(worker: number): void {
    this.#atPart.delete(worker);
    if (this.#atWork.delete(worker)) this.#tell(); // who wakes without need ends again, and must wake nobody by it
  }

  /** The worker takes nothing more. */
  leave(worker: number): void {
    this.#gone.add(worker);
    this.end(worker);
    this.#tell();
  }

  /** While others are at work, something may still be handed over: waits for it. @returns false: nothing will be. */
  async mayGetMore(worker: number, signal: AbortSignal): Promise<boolean> {
    if (this.#untriedBy(worker).length > 0 || signal.aborted) return true;
    if (this.#atWork.size === 0 && this.#offered.size === 0 && !this.isInDoubt(worker)) return false;
    const wake = this.#wake;
    signal.addEventListener("abort", wake, { once: true });
    await this.#changed;
    signal.removeEventListener("abort", wake);
    return true;
  }

  #workers(): number[] {
    return [...this.#strikes.keys()];
  }

  #untriedBy(worker: number): BatchJob[] {
    return [...this.#waiting].filter((job) => this.#isUntried(worker, job));
  }

  #canBeTaken(job: BatchJob): boolean {
    return this.#workers().some((worker) => this.#mayTake(worker, [job]));
  }

  #mayTake(worker: number, jobs: readonly BatchJob[]): boolean {
    return !this.#gone.has(worker) && !this.isRetired(worker) && jobs.some((job) => this.#isUntried(worker, job));
  }

  #isUntried(worker: number, job: BatchJob): boolean {
    return this.attemptsOf(job).every((one) => one.worker !== worker);
  }

  /** Jobs of a chunk fail one after the other, and are shared when all have. */
  #share(): void {
    for (const job of this.#offered) this.#waiting.add(job);
    this.#offered.clear();
    this.#tell();
  }

  #tell(): void {
    this.#wake();
    this.#changed = this.#nextChange();
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
