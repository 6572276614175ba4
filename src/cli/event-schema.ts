/**
 * @module cli/event-schema
 * What commands that draw print on standard output with `--json`: one event a line, each an object with a `type`. The last
 * one is `result` (one for each job), `done` of a batch, or `error`. A type or a field may be added; none goes away or
 * changes what it is within a major version.
 *
 * Jobs and workers are counted from 1. Times are seconds, sizes bytes.
 */

import { z } from "zod";
import { safetyReport } from "../executor/protocol.ts";
import { planSchema } from "../plan/plan.ts";
import { stageNames } from "../plan/stages.ts";

const count = z.int().nonnegative();
const seconds = z.number();
const job = z.int().positive().describe("from 1: of the seeds as they were given, or of a batch's jobs");
const stage = z.enum(stageNames);
const worker = z.int().positive().describe("from 1, of a batch's --devices").optional();

const failure = {
  code: z.string().describe("USAGE, MEMORY_BUDGET, CHECKPOINT, ...; INTERNAL is a mistake of the program"),
  exitCode: z.int(),
  message: z.string(),
};

/** Of a command that failed before it had an answer: what it prints with `--json` in place of the answer. */
export const errorEvent = z.looseObject({ type: z.literal("error"), ...failure });

export const resultEvent = z.looseObject({
  type: z.literal("result"),
  job,
  line: z.int().positive().describe("of a batch's file of jobs").optional(),
  outputs: z.array(z.string()).describe("paths of the images"),
  prompt: z.string(),
  prompts: z
    .array(z.string())
    .describe("where several share a generator: all of them, each with as many images")
    .optional(),
  seed: z.int(),
  width: z.int(),
  height: z.int(),
  seconds: seconds.describe("of the whole run; in a batch the job's share of it"),
  executionProvider: planSchema.shape.provider,
  stages: z
    .array(z.looseObject({ name: stage, seconds }))
    .describe("loading included; 0: an earlier run had finished it; in a batch the job's share"),
  safety: safetyReport.optional(),
  notes: z.array(z.string()),
});

export const eventSchema = z.discriminatedUnion("type", [
  z.looseObject({
    type: z.literal("plan"),
    worker,
    jobs: count.describe("how many jobs are drawn by it"),
    plan: planSchema.omit({ jobs: true }).loose(),
  }),
  z.looseObject({
    type: z.literal("download"),
    worker,
    repo: z.string(),
    doneBytes: count,
    totalBytes: count,
  }),
  z.looseObject({ type: z.literal("note"), worker, job: job.optional(), text: z.string() }),
  z.looseObject({ type: z.literal("stage"), worker, stage }),
  z.looseObject({
    type: z.literal("progress"),
    worker,
    stage,
    job,
    jobs: z.array(job).describe("all that are drawn at once, where there are several").optional(),
    step: count,
    steps: count,
    what: z.string(),
  }),
  z.looseObject({ type: z.literal("stage-end"), worker, stage, seconds }),
  resultEvent,
  errorEvent,
  // of a batch alone
  z.looseObject({ type: z.literal("queued"), jobs: count.describe("that wait in the queue now") }),
  z
    .looseObject({
      type: z.literal("drawn"),
      job,
      line: z.int().positive(),
      outputs: z.array(z.string()).describe("paths below the output folder"),
      seconds: z.record(z.string(), seconds).describe("the job's share of each stage's time"),
    })
    .describe("a worker of the queue drew it; its settings are in the manifest"),
  z.looseObject({ type: z.literal("skipped"), jobs: count.describe("that an earlier process has drawn") }),
  z.looseObject({ type: z.literal("chunk"), worker, jobs: z.array(job) }),
  z.looseObject({ type: z.literal("handed-over"), worker, job, error: z.looseObject(failure) }),
  z.looseObject({ type: z.literal("retired"), worker }),
  z.looseObject({ type: z.literal("failed"), job, line: z.int().positive(), error: z.looseObject(failure) }),
  z.looseObject({ type: z.literal("done"), drawn: count, failed: count, skipped: count, manifest: z.string() }),
]);

export type OutputEvent = z.infer<typeof eventSchema>;
