/**
 * @module cli/json-events
 * What happens -> events as `--json` prints them; their schema is in event-schema.ts. Previews and single files of a
 * download are not among them.
 */

import type { IfGenError } from "../errors.ts";
import { lastImageStage } from "../plan/plan.ts";
import { promptOf, promptsOf } from "../plan/prompts.ts";
import type { DrawnJob } from "../run/draw.ts";
import type { RunEvent } from "../run/events.ts";
import type { OutputEvent } from "./event-schema.ts";
import { printJsonLine } from "./terminal.ts";

export const printEvent = (event: OutputEvent): void => printJsonLine(event);

/** Bytes of a download are told so often at most. */
const DOWNLOAD_MS = 500;

/**
 * @param firstJob the number of the job that the run calls 0: 1, or 0 where it calls them as they are printed.
 * @param worker   of a batch, from 1.
 * @param now      milliseconds, for tests.
 * @returns prints a run's events but its results.
 */
export function createEventPrinter(
  firstJob: 0 | 1,
  worker?: number,
  now: () => number = () => performance.now(),
): (event: RunEvent) => void {
  const from = worker === undefined ? {} : { worker };
  let toldAt = -Infinity;
  return (event) => {
    switch (event.type) {
      case "plan": {
        const { jobs, ...plan } = event.plan;
        return printEvent({ type: "plan", ...from, jobs: jobs.length, plan });
      }
      case "download": {
        const bytes = bytesOf(event.event);
        if (!bytes || (event.event.kind === "progress" && now() - toldAt < DOWNLOAD_MS)) return;
        toldAt = now();
        return printEvent({ type: "download", ...from, repo: event.repo, ...bytes });
      }
      case "note": {
        const { text, job } = event;
        return printEvent({ type: "note", ...from, ...(job === undefined ? {} : { job: job + firstJob }), text });
      }
      case "stage":
        return printEvent({ type: "stage", ...from, stage: event.stage });
      case "step": {
        const { stage, job, jobs, step, steps, what } = event;
        const together = jobs ? { jobs: jobs.map((one) => one + firstJob) } : {};
        return printEvent({ type: "progress", ...from, stage, job: job + firstJob, ...together, step, steps, what });
      }
      case "stage-end":
        return printEvent({ type: "stage-end", ...from, stage: event.stage, seconds: toSeconds(event.milliseconds) });
      case "job":
    }
  };
}

function bytesOf(event: Extract<RunEvent, { type: "download" }>["event"]) {
  if (event.kind === "start") {
    return { doneBytes: event.totalBytes - event.missingBytes, totalBytes: event.totalBytes };
  }
  return event.kind === "progress" ? { doneBytes: event.totalDoneBytes, totalBytes: event.totalBytes } : undefined;
}

/** What took how long: of the whole run, or a job's share. */
interface Times {
  readonly seconds: number;
  readonly stages: readonly { readonly name: DrawnJob["plan"]["stages"][number]["name"]; readonly seconds: number }[];
}

export const timesOf = ({ stageMs }: DrawnJob, seconds: number): Times => ({
  seconds: toSeconds(1000 * seconds),
  stages: [...stageMs].map(([name, milliseconds]) => ({ name, seconds: toSeconds(milliseconds) })),
});

/** @param place the job's number, from 1, and its line in a batch's file. */
export function resultEventOf(
  { request, plan, images, safety, notes }: DrawnJob,
  place: { readonly job: number; readonly line?: number },
  { seconds, stages }: Times,
): OutputEvent {
  const { width, height } = lastImageStage(plan);
  return {
    type: "result",
    ...place,
    outputs: images.flatMap(({ path }) => path ?? []),
    prompt: promptOf(request),
    ...(request.morePrompts ? { prompts: promptsOf(request) } : {}),
    seed: request.seed,
    width,
    height,
    seconds,
    executionProvider: plan.provider,
    stages: [...stages],
    ...(safety ? { safety } : {}),
    notes: [...notes],
  };
}

export const failureOf = ({ code, exitCode, message }: IfGenError) => ({ code, exitCode, message });

const toSeconds = (milliseconds: number): number => Number((milliseconds / 1000).toFixed(3));
