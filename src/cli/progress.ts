/**
 * @module cli/progress
 * Stage events -> lines on standard error: on a terminal a line that is redrawn, with a bar for the stage and one for the
 * whole run; in a pipe a line per stage and job, once it is done.
 */

import type { StageProgress } from "../executor/executor.ts";
import type { Plan, Stage } from "../plan/plan.ts";
import { describeStage } from "../plan/stages.ts";
import { formatDuration } from "./format.ts";
import { type Part, type Terminal, createLiveLine, usableColumns } from "./line.ts";
import { showPreview } from "./preview.ts";
import type { PreviewSettings } from "./preview-options.ts";
import { createRunProgress } from "./run-progress.ts";

export interface ProgressView {
  readonly update: (progress: StageProgress) => void;
  readonly note: (text: string) => void;
  /** Ends the line that is being drawn. */
  readonly close: () => void;
}

/**
 * @param now     milliseconds, for tests.
 * @param preview how to show what steps predict; absent: not.
 */
export function createProgressView(
  terminal: Terminal,
  plan: Plan,
  now: () => number = () => performance.now(),
  preview?: PreviewSettings,
): ProgressView {
  const names = plan.stages.map(({ name }) => name);
  const labels = new Map(plan.stages.map((stage) => [stage.name, labelOf(stage)]));
  const line = createLiveLine(terminal);
  const run = createRunProgress(plan, now);
  let drawn: string | undefined;
  return {
    update(progress) {
      const { stage, step, steps, what } = progress;
      const { runDone, rate, secondsLeft } = run.update(progress);
      const parts: readonly Part[] = [
        { text: `[${names.indexOf(stage) + 1}/${names.length}]`, rank: 7 },
        { text: labels.get(stage) ?? stage, rank: 5 },
        { text: plan.jobs.length > 1 ? describeJobs(progress, plan.jobs.length) : "", rank: 6 },
        { bar: step / steps, rank: 4 },
        { text: what, rank: 1 },
        { text: `${step}/${steps}`, rank: 8 },
        { text: describeRate(rate), rank: 2 },
        { text: secondsLeft === undefined ? "" : `${formatDuration(secondsLeft)} left`, rank: 9 },
      ];
      if (terminal.isTTY) {
        if (drawn !== undefined && drawn !== stage) line.end();
        drawn = stage;
        if (preview && progress.preview && step % preview.every === 0) {
          line.paint(showPreview(progress.preview, preview.protocol, usableColumns(terminal)));
        }
        const percent = `run ${Math.floor(100 * runDone)} %`;
        line.draw([...parts, { bar: runDone, rank: 3 }, { text: percent, rank: 3.5 }]);
      } else if (step === steps) {
        terminal.write(`${plainLine(parts.map(({ text = "" }) => text))}\n`);
      }
    },
    note(text) {
      line.end();
      line.print(`note: ${text}`);
    },
    close: line.end,
  };
}

/** `job 3 of 9`, or, drawn at once, `jobs 1 to 5 of 9`. */
function describeJobs({ job, jobs = [job] }: StageProgress, all: number): string {
  const [first, last] = [Math.min(...jobs) + 1, Math.max(...jobs) + 1];
  return first === last ? `job ${first} of ${all}` : `jobs ${first} to ${last} of ${all}`;
}

/** `[2/4] stage 1, 64 px  job 1 of 2  denoising 6/6  5.1 it/s` */
function plainLine([position, label, job, , what, count, rate]: readonly string[]): string {
  return [`${position} ${label}`, job, `${what} ${count}`, rate].filter((text) => text !== "").join("  ");
}

function labelOf(stage: Stage): string {
  const { label } = describeStage(stage.name);
  return "width" in stage ? `${label}, ${describeSize(stage)}` : label;
}

/** `64 px`, or, where the sides differ, `96x64 px`. */
export function describeSize({ width, height }: { readonly width: number; readonly height: number }): string {
  return width === height ? `${width} px` : `${width}x${height} px`;
}

/** @param rate steps a second; undefined: not measured yet. */
function describeRate(rate: number | undefined): string {
  if (rate === undefined) return "";
  return rate >= 1 ? `${rate.toFixed(1)} it/s` : `${(1 / rate).toFixed(1)} s/it`;
}
