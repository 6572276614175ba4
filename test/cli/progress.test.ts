import { describe, expect, test } from "vitest";
import stringWidth from "string-width";
import { createDownloadView } from "../../src/cli/download-view.ts";
import { formatDuration, formatTable } from "../../src/cli/format.ts";
import { createProgressView } from "../../src/cli/progress.ts";
import { createRunProgress } from "../../src/cli/run-progress.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { planOf } from "../plan/plan-of.ts";

/** Collects what is written; the clock is moved by hand. */
function watch(plan: Plan, terminal: { isTTY?: boolean; columns?: number }) {
  const time = { ms: 0 };
  const written: string[] = [];
  const view = createProgressView({ ...terminal, write: (text: string) => written.push(text) }, plan, () => time.ms);
  return { view, written, time };
}

/** The plan with as many jobs. */
const planWithJobs = (count: number): Plan => {
  const plan = planOf({});
  return { ...plan, jobs: Array.from({ length: count }, () => plan.jobs[0]!) };
};

test("in a pipe: a plain line when a stage is done, none before", () => {
  const { view, written, time } = watch(planOf({ image: { width: 96, height: 64 } }), {});
  view.update({ job: 0, stage: "text-encoding", step: 0, steps: 1, what: "encoding the prompt" });
  view.update({ job: 0, stage: "stage-1", step: 1, steps: 3, what: "denoising" });
  time.ms = 4000;
  view.update({ job: 0, stage: "stage-1", step: 3, steps: 3, what: "denoising" });
  view.note("look");
  view.close();
  expect(written).toEqual(["[2/4] stage 1, 96x64 px  denoising 3/3  2.0 s/it\n", "note: look\n"]);
});

test("on a terminal: one line that is redrawn, a new one per stage; notes stand on their own", () => {
  const { view, written, time } = watch(planOf({}), { isTTY: true, columns: 100 });
  view.update({ job: 0, stage: "stage-1", step: 0, steps: 6, what: "denoising" });
  time.ms = 500;
  view.update({ job: 0, stage: "stage-1", step: 3, steps: 6, what: "denoising" });
  view.note("look");
  view.update({ job: 0, stage: "stage-2", step: 0, steps: 4, what: "denoising" });
  view.close();
  view.close();
  expect(written.map((text) => text.replaceAll(/([█░])\1*/g, "$1"))).toEqual([
    "\r\u001b[K[2/4]  stage 1, 64 px  ░  denoising  0/6  █░  run 8 %",
    "\r\u001b[K[2/4]  stage 1, 64 px  █░  denoising  3/6  6.0 it/s  0:01 left  █░  run 33 %",
    "\n",
    "note: look\n",
    "\r\u001b[K[3/4]  stage 2, 256 px  ░  denoising  0/4  █░  run 58 %",
    "\n",
  ]);
});

describe("the line of a stage", () => {
  /** What stands there after a step, in a terminal of so many columns. */
  function lineIn(columns: number): string {
    const { view, written, time } = watch(planWithJobs(8), { isTTY: true, columns });
    view.update({ job: 2, stage: "stage-2", step: 0, steps: 4, what: "denoising" });
    time.ms = 30_000;
    view.update({ job: 2, stage: "stage-2", step: 2, steps: 4, what: "denoising" });
    return written.at(-1)?.replace("\r\u001b[K", "") ?? "";
  }

  test.each([
    [80, "[3/4]  stage 2, 256 px  job 3 of 8  █████░░░░░  2/4  7:30 left  ██░░░  run 60 %"],
    [40, "[3/4]  job 3 of 8  2/4  7:30 left"],
    [0, lineIn(80)],
    [20, "2/4  7:30 left"],
    [10, "7:30 left"],
  ])("in %d columns: never cut, bars shrink first, the time stays", (columns, expected) => {
    const line = lineIn(columns);
    expect(line.replaceAll(/[█░]+/g, "#")).toBe(expected.replaceAll(/[█░]+/g, "#"));
    expect(stringWidth(line)).toBeLessThan(columns || 80);
  });

  test("has its time at every width that has room for it", () => {
    for (let columns = 10; columns < 200; columns++) {
      expect(lineIn(columns)).toContain("7:30 left");
      expect(stringWidth(lineIn(columns))).toBeLessThan(columns);
    }
  });
});

describe("a whole run", () => {
  test("counts the steps of all stages and jobs, and never goes back", () => {
    const time = { ms: 0 };
    const run = createRunProgress(planWithJobs(2), () => time.ms); // steps: 1, 6, 4, 1 for each of two jobs: 24
    const at = (stage: "stage-1" | "stage-2", job: number, step: number, steps: number, what = "denoising") =>
      run.update({ stage, job, step, steps, what });
    expect(at("stage-1", 0, 0, 6)).toEqual({ runDone: 2 / 24, rate: undefined, secondsLeft: undefined });
    time.ms = 2000;
    expect(at("stage-1", 0, 6, 6)).toEqual({ runDone: 8 / 24, rate: 3, secondsLeft: 2 });
    expect(at("stage-1", 1, 0, 6).runDone).toBe(8 / 24);
    time.ms = 4000;
    expect(at("stage-1", 1, 6, 6)).toEqual({ runDone: 14 / 24, rate: 3, secondsLeft: undefined });
    expect(at("stage-2", 0, 4, 4).runDone).toBe(18 / 24);
    expect(at("stage-2", 0, 0, 9, "decoding").runDone).toBe(18 / 24);
  });
});

describe("a download", () => {
  const progress = { kind: "progress", path: "a", doneBytes: 0, fileBytes: 1, totalBytes: 4e9 } as const;

  test.each([
    [80, "org/model  #  2.00 GB of 4.00 GB  200 MB/s  0:10 left"],
    [40, "2.00 GB of 4.00 GB  200 MB/s  0:10 left"],
    [12, "0:10 left"],
  ])("in %d columns", (columns, expected) => {
    const time = { ms: 0 };
    const written: string[] = [];
    const view = createDownloadView({ isTTY: true, columns, write: (text) => written.push(text) }, () => time.ms);
    view.update("org/model", { kind: "start", files: 1, totalBytes: 4e9, missingBytes: 4e9 } as never);
    time.ms = 10_000;
    view.update("org/model", { ...progress, totalDoneBytes: 2e9 } as never);
    view.close();
    const line = written.at(-2)?.replace("\r\u001b[K", "") ?? "";
    expect(line.replaceAll(/[█░]+/g, "#")).toBe(expected);
    expect(stringWidth(line)).toBeLessThan(columns);
    expect(written.at(-1)).toBe("\r\u001b[K");
  });
});

test("durations", () => {
  expect([0, 59.6, 61, 3600].map(formatDuration)).toEqual(["0:00", "1:00", "1:01", "1:00:00"]);
});

test("a table lines up where signs are two columns wide", () => {
  expect(
    formatTable([
      ["猫", "a"],
      ["cat", "b"],
    ]),
  ).toBe("猫   a\ncat  b\n");
});
