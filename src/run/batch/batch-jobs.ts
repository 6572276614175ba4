/**
 * @module run/batch/batch-jobs
 * Lines of a file of jobs -> numbered requests with the files that they will make, in chunks of so many: what is at work at
 * one time is bounded, however long the file is.
 */

import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { UsageError } from "../../errors.ts";
import type { ImageFormat } from "../../image/formats.ts";
import { isTaken } from "../../files/place-file.ts";
import type { CPU } from "../../onnx/lower/provider-names.ts";
import type { Shard } from "../../machine/cluster-shard.ts";
import { type CommandName, type RequestedProvider, commandNames } from "../../plan/choices.ts";
import { imageCount } from "../../plan/prompts.ts";
import type { Request } from "../../plan/request.ts";
import { describeValue } from "../describe-issue.ts";
import { maskOptionNames, stageSizeNames, requestFromOptions } from "../job-options.ts";
import { numbered } from "../outputs.ts";
import type { BatchFolder } from "./batch-folder.ts";
import { isJobError, withImageSettings, withoutImageSettings } from "./image-settings.ts";
import { expandJob } from "./expand.ts";
import type { LowMemoryModes } from "../settings.ts";
import { compileTemplate, checkedOutput, requestKey } from "./output-names.ts";
import type { GivenOptions, ReadJob } from "./read-jobs.ts";
import { type BadLine, type ExpandedJob, sharingGenerators } from "./share-generator.ts";

const UPSCALE: CommandName = "upscale";

/** Where a worker runs: on a GPU by its number, on the CPU, or wherever the jobs say. */
export type WorkerDevice = number | typeof CPU | undefined;

export interface BatchJob {
  /** From 1, over all jobs of the batch. */
  readonly index: number;
  readonly line: number;
  readonly request: Request;
  readonly key: string;
  /** Of the image that is drawn again. */
  readonly lowMemory?: LowMemoryModes | undefined;
  /** Below the output folder, `/` between folders. */
  readonly files: readonly string[];
  /** An earlier process has drawn it, and its files are there. */
  readonly isDrawn: boolean;
  /** There is a file under one of its names. */
  readonly isTaken: boolean;
}

/** A job that is no request. */
export interface BadJob extends BadLine {
  /** From 1, over all jobs of the batch. */
  readonly index: number;
}

export interface Chunk {
  /** From 1. */
  readonly number: number;
  readonly jobs: readonly BatchJob[];
  readonly bad: readonly BadJob[];
}

export interface BatchOptions {
  /** Options of jobs that do not give them themselves. */
  readonly defaults: GivenOptions;
  readonly seeds?: string | undefined;
  /** How many jobs that differ in their prompts alone are drawn in one batch, from one generator. @default 1 */
  readonly sharedGenerator?: number | undefined;
  /** What GPUs are tried for, before anything is drawn. */
  readonly provider: RequestedProvider;
  /** Of output names. */
  readonly template: string;
  /** Of the files that the template names; absent: as it ends, or PNG. */
  readonly format?: ImageFormat | undefined;
  /** Do images go elsewhere than to the folder? Then what its manifest says is drawn is. @default false */
  readonly uploads?: boolean | undefined;
  readonly shard: Shard;
  /** Jobs of one chunk, at most. */
  readonly chunkSize: number;
}

/**
 * @param workers how many take chunks.
 * @returns chunks with something to do; of others `onSkipped` is told how many jobs were drawn before.
 * @throws {UsageError} the template names no field.
 */
export async function* chunksOf(
  lines: AsyncIterable<ReadJob>,
  folder: BatchFolder,
  options: BatchOptions,
  workers: number,
  onSkipped: (jobs: number) => void,
): AsyncGenerator<Chunk, void> {
  const toJob = createJobMaker(folder, options);
  let number = 0;
  for await (const part of divided(jobsOfShard(lines, options), options.chunkSize, workers)) {
    const all: (BatchJob | BadJob)[] = [];
    for (const job of part) all.push("error" in job ? job : await toJob(job));
    const jobs = all.filter((one) => "request" in one);
    const bad = all.filter((one) => "error" in one);
    number++;
    onSkipped(jobs.filter(({ isDrawn }) => isDrawn).length);
    if (bad.length > 0 || !jobs.every(({ isDrawn }) => isDrawn)) yield { number, jobs, bad };
  }
}

async function* jobsOfShard(
  lines: AsyncIterable<ReadJob>,
  options: BatchOptions,
): AsyncGenerator<NumberedJob | BadJob, void> {
  const { count, number } = options.shard;
  for await (const job of numberedJobs(lines, options)) {
    if ((job.index - 1) % count === number - 1) yield job;
  }
}

/**
 * Parts of `size` each, a round of them for all workers at a time; the last round in equal ones, so that no worker is
 * idle while another one draws what is left. How they are divided depends on the jobs alone, as going on asks for.
 */
export async function* divided<Job>(
  jobs: AsyncIterable<Job>,
  size: number,
  workers: number,
): AsyncGenerator<Job[], void> {
  let round: Job[] = [];
  for await (const job of jobs) {
    round.push(job);
    if (round.length < size * workers) continue;
    for (let part = 0; part < workers; part++) yield round.slice(part * size, (part + 1) * size);
    round = [];
  }
  const parts = Math.min(workers, round.length);
  const cut = (part: number): number => Math.round((part * round.length) / parts);
  for (let part = 0; part < parts; part++) yield round.slice(cut(part), cut(part + 1));
}

/** What concerns no upscale, as a default of all jobs. */
const notOfUpscale: readonly string[] = [
  "until",
  "aspectRatio",
  ...stageSizeNames,
  "strength",
  "style",
  ...maskOptionNames,
];

const defaultsOf = ({ command }: GivenOptions, defaults: GivenOptions): GivenOptions =>
  command === UPSCALE
    ? Object.fromEntries(Object.entries(defaults).filter(([name]) => !notOfUpscale.includes(name)))
    : defaults;

interface NumberedJob extends ExpandedJob {
  readonly index: number;
}

/** @param readLine the options that a line stands for. */
async function* numberedJobs(
  lines: AsyncIterable<ReadJob>,
  { sharedGenerator = 1, ...options }: CountedOptions,
  readLine = withImageSettings,
): AsyncGenerator<NumberedJob | BadJob, void> {
  let index = 0;
  for await (const one of sharingGenerators(expandedJobs(lines, options, readLine), sharedGenerator)) {
    yield { index: ++index, ...one };
  }
}

type CountedOptions = Pick<BatchOptions, "defaults" | "seeds" | "sharedGenerator">;

async function* expandedJobs(
  lines: AsyncIterable<ReadJob>,
  { defaults, seeds }: CountedOptions,
  readLine: typeof withImageSettings,
): AsyncGenerator<ExpandedJob | BadLine, void> {
  for await (const read of lines) {
    const { line } = read;
    if ("error" in read) {
      yield { line, error: read.error };
      continue;
    }
    try {
      const { options: given, lowMemory } = await readLine(read.options, defaultsOf(read.options, defaults));
      for (const options of expandJob(given, seeds)) yield { line, options, lowMemory };
    } catch (error) {
      if (!isJobError(error)) throw error;
      yield { line, error };
    }
  }
}

/** So many jobs are counted at a time, with a pause in between: the CPU has better things to do. */
const COUNTED_AT_ONCE = 2000;
const PAUSE_MS = 20;

/** @returns how many jobs the lines stand for; takes its time. */
export async function countJobs(lines: AsyncIterable<ReadJob>, options: CountedOptions): Promise<number> {
  let count = 0;
  for await (const { index } of numberedJobs(lines, options, withoutImageSettings)) {
    count = index;
    if (count % COUNTED_AT_ONCE === 0) await delay(PAUSE_MS, undefined, { ref: false });
  }
  return count;
}

/** @returns each job's request, or what is wrong with it; seeds that are not given are 0, and no file is looked for. */
export async function* checkedJobs(
  lines: AsyncIterable<ReadJob>,
  options: BatchOptions,
): AsyncGenerator<BadJob | { readonly line: number; readonly request: Request }, void> {
  for await (const job of numberedJobs(lines, options)) {
    if ("error" in job) yield job;
    else yield orError(job, () => ({ line: job.line, request: requestOf(job.options, 0).request }));
  }
}

function orError<T>({ index, line }: NumberedJob, make: () => T): T | BadJob {
  try {
    return make();
  } catch (error) {
    if (error instanceof UsageError) return { index, line, error };
    throw error;
  }
}

/** @param seed if the job gives none. */
function requestOf(
  { output, command, ...options }: GivenOptions,
  seed: number,
): { request: Request; output?: string | undefined } {
  const request = requestFromOptions(commandOf(command, options), { ...options, seed: options["seed"] ?? seed });
  return { request, output: output === undefined ? undefined : checkedOutput(output) };
}

function createJobMaker(folder: BatchFolder, { template, format, uploads = false }: BatchOptions) {
  const nameOf = compileTemplate(template, format);
  const recent = new Map<string, number>(); // names of the chunk at work, whose files are not there yet
  return async (job: NumberedJob): Promise<BatchJob | BadJob> => {
    const { index, line, lowMemory } = job;
    const made = orError(job, () => {
      const { request, output } = requestOf(job.options, folder.seedOf(index));
      const name = output ?? nameOf({ index, line, request, date: folder.date });
      const twin = recent.get(name.toLowerCase());
      if (twin !== undefined) throw sameName(name, `job ${twin} writes it too`);
      remember(recent, name.toLowerCase(), index);
      return { request, key: requestKey(request), files: numbered(name, imageCount(request)) };
    });
    if ("error" in made) return made;
    const isInManifest = folder.drawn.has(index, made.key);
    if (uploads) return { index, line, lowMemory, ...made, isDrawn: isInManifest, isTaken: false };
    const existing = await Promise.all(made.files.map((file) => isTaken(join(folder.path, file))));
    return {
      index,
      line,
      lowMemory,
      ...made,
      isDrawn: existing.every(Boolean) && isInManifest,
      isTaken: existing.some(Boolean),
    };
  };
}

/** @param more what helps beside another name, with a comma before it. */
export const sameName = (name: string, why: string, more = ""): UsageError =>
  new UsageError(`its image would be ${name}, but ${why}; put {index} into --output-name${more}.`);

/** The last names, not all: files of finished chunks are found on the disk. */
function remember(recent: Map<string, number>, name: string, index: number): void {
  recent.set(name, index);
  if (recent.size > 100_000) recent.delete(recent.keys().next().value!);
}

/** @throws {UsageError} there is no such command. */
function commandOf(named: unknown, options: GivenOptions): CommandName {
  if (named === undefined) return impliedCommand(options);
  const command = commandNames.find((name) => name === named);
  if (command !== undefined) return command;
  throw new UsageError(`command is ${describeValue(named)}; it must be one of ${commandNames.join(", ")}.`);
}

/** What a job starts from tells which command it is. */
function impliedCommand(options: GivenOptions): CommandName {
  const has = (name: string): boolean => options[name] !== undefined;
  if (has("style")) return "style";
  return maskOptionNames.some(has) ? "inpaint" : has("image") ? "img2img" : "txt2img";
}
