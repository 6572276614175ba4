/**
 * @module cli/progress
 * Stage events -> lines on standard error: a bar that is redrawn on a terminal, a line per stage in a pipe.
 */

import type { StageProgress } from "../executor/executor.ts";
import type { Plan, Stage } from "../plan/plan.ts";
import { describeStage } from "../plan/stages.ts";

export interface ProgressView {
  readonly update: (progress: StageProgress) => void;
  readonly note: (text: string) => void;
  /** Ends the line that is being drawn. */
  readonly close: () => void;
}

/** The stream's part that is used here. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const BAR_WIDTH = 24;
/** @param now milliseconds, for tests. */
export function createProgressView(
  terminal: Terminal,
  plan: Plan,
  now: () => number = () => performance.now(),
): ProgressView {
  const names = plan.stages.map(({ name }) => name);
  const labels = new Map(plan.stages.map((stage) => [stage.name, labelOf(stage)]));
  const width = Math.max(...[...labels.values()].map((label) => label.length));
  let running: { key: string; start: number; firstStep: number } | undefined;
  let open = false;
  const endLine = (): void => {
    if (open) terminal.write("\n");
    open = false;
  };
  return {
    update(progress) {
      const key = `${progress.stage} ${progress.job} ${progress.what}`;
      if (running?.key !== key) {
        if (terminal.isTTY) endLine();
        running = { key, start: now(), firstStep: progress.step };
      }
      const seconds = (now() - running.start) / 1000;
      const position = `[${names.indexOf(progress.stage) + 1}/${names.length}]`;
      const job = plan.jobs.length > 1 ? `${progress.job + 1}/${plan.jobs.length} ` : "";
      const text = `${position} ${labels.get(progress.stage)?.padEnd(width)}  ${job}${describe(progress, seconds, progress.step - running.firstStep)}`;
      if (terminal.isTTY) {
        terminal.write(`\r\u001b[K${text.slice(0, (terminal.columns ?? 80) - 1)}`);
        open = true;
      } else if (progress.step === progress.steps) {
        terminal.write(`${text}\n`);
      }
    },
    note(text) {
      endLine();
      terminal.write(`note: ${text}\n`);
    },
    close: endLine,
  };
}

function labelOf(stage: Stage): string {
  const { label } = describeStage(stage.name);
  return stage.kind === "diffusion" ? `${label}, ${describeSize(stage)}` : label;
}

/** `64 px`, or, where the sides differ, `96x64 px`. */
export function describeSize({ width, height }: { readonly width: number; readonly height: number }): string {
  return width === height ? `${width} px` : `${width}x${height} px`;
}

/** `██████░░░░  denoising 14/27  5.1 it/s  0:02 left` */
function describe({ step, steps, what }: StageProgress, seconds: number, measured: number): string {
  const filled = Math.round((step / steps) * BAR_WIDTH);
  const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
  const rate = measured > 0 && seconds > 0 ? measured / seconds : 0;
  const speed = rate > 0 ? `  ${rate >= 1 ? `${rate.toFixed(1)} it/s` : `${(1 / rate).toFixed(1)} s/it`}` : "";
  const left = rate > 0 && step < steps ? `  ${clock((steps - step) / rate)} left` : "";
  return `${bar}  ${what} ${step}/${steps}${speed}${left}`;
}

/** Seconds as m:ss. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
