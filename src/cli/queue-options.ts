/**
 * @module cli/queue-options
 * The options that name a queue and say how it is used, each checked once.
 */

import type { Command } from "commander";
import { integer, once } from "./values.ts";

export const addQueueOption = (command: Command, description: string): Command =>
  command.option("--queue <url>", description, once);

/** Of batch. */
export interface BatchQueueOptions {
  queue?: string;
  wait?: boolean;
  attempts: number;
}

export const addBatchQueueOptions = (command: Command): Command =>
  addQueueOption(command, "hand the jobs to if-gen workers over this Redis server: redis://localhost:6379")
    .option("--wait", "with --queue: until all jobs have ended, and write the manifest")
    .option("--attempts <count>", "with --queue: how often a job that fails is tried in all", integer(1, 100), 3);

/** Of worker. */
export interface WorkerQueueOptions {
  queue?: string;
  outputDir?: string;
  chunk: number;
  rate?: number;
  lostAfter: number;
  untilEmpty?: boolean;
}

export const addWorkerQueueOptions = (command: Command): Command =>
  addQueueOption(command, "the Redis server whose jobs it draws: redis://localhost:6379")
    .option("-d, --output-dir <folder>", "where images go (default: the folder that each job names)", once)
    .option("--chunk <count>", "jobs that are taken and drawn together, at most", integer(1, 10_000), 16)
    .option(
      "--rate <jobs>",
      "jobs that all workers together may begin a minute (default: no limit)",
      integer(1, 1_000_000),
    )
    .option(
      "--lost-after <seconds>",
      "jobs of a worker that was not heard of for so long are taken up again",
      integer(1, 86_400),
      30,
    )
    .option("--until-empty", "end when nothing waits and nobody is at work");
