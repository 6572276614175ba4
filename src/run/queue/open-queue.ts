/**
 * @module run/queue/open-queue
 * BullMQ, loaded when a queue is named and not before: it is an optional package. The one place that knows it.
 *
 * Source: https://docs.bullmq.io, "Manually processing jobs" and "Stalled jobs".
 */

import type { Job, Queue, QueueEvents, Worker } from "bullmq";
import { IfGenError } from "../../errors.ts";
import { printable } from "../../text.ts";
import { Connections } from "./connections.ts";
import { loadOptional } from "../optional-packages.ts";

/** What an end of a queue is known by in Redis. */
const NAME = "if-gen";
/** A server that is there answers sooner. */
const CONNECT_MS = 10_000;

export type QueueJob = Job<unknown, string>;
export type JobQueue = Queue<QueueJob>;

export interface QueueEnd {
  readonly close: () => Promise<void>;
}

export interface OpenQueue extends QueueEnd {
  readonly queue: JobQueue;
  /** Fails with the signal's reason when the server was given up: what waits for it waits for ever. */
  readonly givenUp: Promise<never>;
}

export interface OpenWorker extends OpenQueue {
  readonly worker: Worker<unknown, string>;
}

export interface WorkerTimes {
  /** Jobs of a worker that was not heard of for so long are taken up by another. */
  readonly lostAfterMs: number;
  /** How many jobs all workers together may begin a minute. */
  readonly ratePerMinute?: number | undefined;
}

/**
 * A job whose workers died so often is not tried again: it may be what ends them.
 * Ends of machines are rare beside it, and each hits all jobs of a group.
 */
const MAX_LOST_WORKERS = 10;

/**
 * @param signal a while after it, a server that does not answer is given up.
 * @param url `redis://[user:password@]host[:port][/database]`, or `rediss:` for TLS.
 * @throws {UsageError} a package is missing. @throws {IfGenError} HUB: no server answers.
 */
export async function openQueue(url: string, signal?: AbortSignal): Promise<OpenQueue> {
  const bullmq = await loadBullmq();
  await checkServer(url);
  const connections = new Connections(signal);
  const queue: JobQueue = new bullmq.Queue(NAME, { connection: await connections.open(url) });
  queue.on("error", ignore);
  await queue.waitUntilReady();
  const { givenUp } = connections;
  return { queue, givenUp, close: () => connections.close(() => queue.close()) };
}

/** For jobs that are taken by hand, several at a time. As {@link openQueue}. */
export async function openWorker(
  url: string,
  { lostAfterMs, ratePerMinute }: WorkerTimes,
  signal?: AbortSignal,
): Promise<OpenWorker> {
  const bullmq = await loadBullmq();
  const { queue, givenUp, close } = await openQueue(url, signal);
  const connections = new Connections(signal);
  const worker: Worker<unknown, string> = new bullmq.Worker(NAME, null, {
    connection: await connections.open(url),
    autorun: false,
    lockDuration: lostAfterMs,
    stalledInterval: lostAfterMs,
    maxStalledCount: MAX_LOST_WORKERS,
    ...(ratePerMinute === undefined ? {} : { limiter: { max: ratePerMinute, duration: 60_000 } }),
  });
  worker.on("error", ignore);
  await worker.waitUntilReady();
  await worker.startStalledCheckTimer();
  return {
    queue,
    givenUp,
    worker,
    async close() {
      await connections.close(() => worker.close(true));
      await close();
    },
  };
}

/** @returns tells `onJob` of every job of which there is something new, also of others' jobs. */
export async function listenToQueue(
  url: string,
  onJob: (id: string, progress?: unknown) => void,
  signal?: AbortSignal,
): Promise<QueueEnd> {
  const bullmq = await loadBullmq();
  const connections = new Connections(signal);
  const events: QueueEvents = new bullmq.QueueEvents(NAME, { connection: await connections.open(url) });
  events.on("error", ignore);
  events.on("completed", ({ jobId }) => onJob(jobId));
  events.on("failed", ({ jobId }) => onJob(jobId));
  events.on("progress", ({ jobId, data }) => onJob(jobId, data));
  await events.waitUntilReady();
  return { close: () => connections.close(() => events.close()) };
}

/** @returns the address without its password, for people. */
export function shownAddress(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
}

const ignore = (): void => undefined;

function loadBullmq(): Promise<typeof import("bullmq")> {
  return loadOptional("--queue", ["bullmq", "ioredis"], async () => {
    await import("ioredis"); // bullmq loads it late
    return import("bullmq");
  });
}

/** BullMQ itself waits for ever for a server that is not there. */
async function checkServer(url: string): Promise<void> {
  const { Redis } = await import("ioredis");
  const redis = new Redis(url, { lazyConnect: true, connectTimeout: CONNECT_MS, retryStrategy: () => null });
  let reason: unknown;
  redis.on("error", (error) => (reason = error));
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    const cause = reason ?? error;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new IfGenError("HUB", `no Redis can be used at ${shownAddress(url)}: ${printable(code ?? message)}.`, {
      cause,
    });
  } finally {
    redis.disconnect();
  }
}
