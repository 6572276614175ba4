/**
 * @module cli/batch-view
 * A batch's events -> standard error: on a terminal one line that tells how far it is, in a pipe a line per job; or, with
 * `--json`, events of json-events.ts on standard output.
 */

import { describeStage } from "../plan/stages.ts";
import type { BatchEvent, BatchSummary } from "../run/batch/batch-events.ts";
import type { DrawnJob } from "../run/draw.ts";
import type { RunEvent } from "../run/events.ts";
import { type DownloadView, createDownloadView } from "./download-view.ts";
import { formatDuration } from "./format.ts";
import { type Part, type Terminal, createLiveLine, partText } from "./line.ts";
import { createEventPrinter, failureOf, printEvent, resultEventOf, type timesOf } from "./json-events.ts";
import { visible } from "./terminal.ts";

export interface BatchView {
  readonly show: (event: BatchEvent) => void;
  /** How many jobs there are in all, once it is known. */
  readonly setTotal: (jobs: number) => void;
  /** Ends the line that is being drawn, and says how the batch ended if it did. */
  readonly close: (summary?: BatchSummary, manifest?: string) => void;
}

interface ViewOptions {
  readonly isQuiet: boolean;
  readonly isJson: boolean;
  readonly workers: number;
  /** Milliseconds, for tests. */
  readonly now?: () => number;
}

export function createBatchView(
  terminal: Terminal,
  { isQuiet, isJson, workers, now = () => performance.now() }: ViewOptions,
): BatchView {
  const start = now();
  const print = isJson ? createBatchPrinter(workers) : undefined;
  const count = { drawn: 0, failed: 0, skipped: 0 };
  let total: number | undefined;
  const live = createLiveLine(terminal);
  let activity = "";
  let downloads: DownloadView | undefined;
  const shownNotes = new Set<string>();
  const line = (text: string): void => {
    if (!isQuiet) live.print(visible(text));
  };
  const draw = (): void => {
    if (!isQuiet) live.draw(describe(count, total, (now() - start) / 1000, activity));
  };
  const showRun = (event: RunEvent, worker: number): void => {
    if (event.type === "download") {
      downloads ??= isQuiet ? undefined : createDownloadView(terminal);
      downloads?.update(event.repo, event.event);
    }
    if (event.type === "plan") downloads?.close();
    if (event.type === "note" && !shownNotes.has(event.text)) {
      shownNotes.add(event.text); // the same of every job is said once
      line(`note: ${event.job === undefined ? "" : `job ${event.job}: `}${event.text}`);
    }
    if (event.type === "step") {
      activity = `${workers > 1 ? `worker ${worker + 1}: ` : ""}${describeStage(event.stage).label}, ${event.what} ${event.step}/${event.steps}`;
      draw();
    }
  };
  return {
    show(event) {
      print?.(event);
      switch (event.type) {
        case "skipped":
          count.skipped += event.jobs;
          break;
        case "run":
          showRun(event.event, event.worker);
          break;
        case "drawn":
          count.drawn++;
          if (!terminal.isTTY) line(`${position(count, total)} job ${event.index}: ${event.files.join(", ")}`);
          draw();
          break;
        case "failed":
          count.failed++;
          line(`job ${event.index} (line ${event.line}) failed: ${event.error.message} [${event.error.code}]`);
          draw();
          break;
        case "handed-over":
          line(`job ${event.index} is left to another worker than ${event.worker + 1}: ${event.error.message}`);
          break;
        case "retired":
          line(`worker ${event.worker + 1} takes no more jobs: others draw what it cannot`);
          break;
        case "chunk":
        case "queued":
          break;
      }
    },
    setTotal(jobs) {
      total = jobs;
    },
    close(summary, manifest) {
      downloads?.close();
      live.clear();
      if (!summary) return;
      const { drawn, failed, skipped } = summary;
      if (isJson) printEvent({ type: "done", drawn, failed, skipped, manifest: manifest ?? "" });
      const before = skipped > 0 ? `, ${skipped} drawn before` : "";
      line(`${drawn} drawn${before}, ${failed} failed, in ${formatDuration((now() - start) / 1000)}: ${manifest}`);
    },
  };
}

type Count = Readonly<Record<"drawn" | "failed" | "skipped", number>>;

const position = ({ drawn, failed, skipped }: Count, total: number | undefined): string =>
  `${drawn + failed + skipped}${total === undefined ? "" : `/${total}`}`;

/** `12/64 jobs  ████░░░░  1 failed  4.1 a minute  0:12 left  stage 2, denoising 3/27` */
function describe(count: Count, total: number | undefined, seconds: number, activity: string): readonly Part[] {
  const { drawn, failed, skipped } = count;
  const rate = drawn / seconds;
  const left = total === undefined ? 0 : total - drawn - failed - skipped;
  return [
    { text: `${position(count, total)} jobs`, rank: 9 },
    ...(total === undefined ? [] : [{ bar: (total - left) / Math.max(1, total), rank: 4 }]),
    { text: failed > 0 ? `${failed} failed` : "", rank: 7 },
    { text: drawn > 0 ? `${(60 * rate).toFixed(1)} a minute` : "", rank: 3 },
    { text: drawn > 0 && left > 0 ? `${formatDuration(left / rate)} left` : "", rank: 8 },
    { text: partText(activity), rank: 2 },
  ];
}

/** @returns prints a batch's events; the runs' by their worker. */
function createBatchPrinter(workers: number): (event: BatchEvent) => void {
  const runs = Array.from({ length: workers }, (_, index) => createEventPrinter(0, index + 1));
  return (event) => {
    switch (event.type) {
      case "run":
        return runs[event.worker]?.(event.event);
      case "chunk":
        return printEvent({ ...event, worker: event.worker + 1, jobs: [...event.jobs] });
      case "skipped":
      case "queued":
        return printEvent(event);
      case "drawn": {
        const { drawn, files, seconds } = event;
        const place = { job: event.index, line: event.line };
        if (!drawn) return printEvent({ type: "drawn", ...place, outputs: [...files], seconds: { ...seconds } });
        return printEvent(resultEventOf(drawn, place, shareOf(drawn, seconds)));
      }
      case "handed-over":
        return printEvent({
          type: "handed-over",
          job: event.index,
          worker: event.worker + 1,
          error: failureOf(event.error),
        });
      case "retired":
        return printEvent({ type: "retired", worker: event.worker + 1 });
      case "failed":
        return printEvent({ type: "failed", job: event.index, line: event.line, error: failureOf(event.error) });
    }
  };
}

function shareOf(drawn: DrawnJob, seconds: Readonly<Record<string, number>>): ReturnType<typeof timesOf> {
  const stages = drawn.plan.stages.map(({ name }) => ({ name, seconds: seconds[name] ?? 0 }));
  return { stages, seconds: Number(stages.reduce((sum, stage) => sum + stage.seconds, 0).toFixed(3)) };
}
