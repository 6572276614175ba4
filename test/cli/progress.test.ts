import { expect, test } from "vitest";
import { clock, createProgressView } from "../../src/cli/progress.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { planOf } from "../plan/plan-of.ts";

/** Collects what is written; the clock is moved by hand. */
function watch(plan: Plan, terminal: { isTTY?: boolean; columns?: number }) {
  const time = { ms: 0 };
  const written: string[] = [];
  const view = createProgressView({ ...terminal, write: (text: string) => written.push(text) }, plan, () => time.ms);
  return { view, written, time };
}

test("in a pipe: a line when a stage is done, none before", () => {
  const { view, written, time } = watch(planOf({ image: { width: 96, height: 64 } }), {});
  view.update({ stage: "text-encoding", job: 0, step: 0, steps: 1, what: "encoding the prompt" });
  view.update({ stage: "stage-1", job: 0, step: 1, steps: 3, what: "denoising" });
  time.ms = 4000;
  view.update({ stage: "stage-1", job: 0, step: 3, steps: 3, what: "denoising" });
  view.note("look");
  view.close();
  expect(written).toEqual([`[2/4] stage 1, 96x64 px    ${"█".repeat(24)}  denoising 3/3  2.0 s/it\n`, "note: look\n"]);
});

test("on a terminal: one line that is redrawn, a new one per stage, cut to the width; notes stand on their own", () => {
  const { view, written, time } = watch(planOf({}), { isTTY: true, columns: 60 });
  view.update({ stage: "stage-1", job: 0, step: 0, steps: 4, what: "denoising" });
  time.ms = 500;
  view.update({ stage: "stage-1", job: 0, step: 2, steps: 4, what: "denoising" });
  view.note("look");
  view.update({ stage: "stage-2", job: 0, step: 0, steps: 4, what: "denoising" });
  view.close();
  view.close();
  const line = (text: string): string => `\r\u001b[K${text.slice(0, 59)}`;
  expect(written).toEqual([
    line(`[2/4] stage 1, 64 px   ${"░".repeat(24)}  denoising 0/4`),
    line(`[2/4] stage 1, 64 px   ${"█".repeat(12)}${"░".repeat(12)}  denoising 2/4  4.0 it/s  0:01 left`),
    "\n",
    "note: look\n",
    line(`[3/4] stage 2, 256 px  ${"░".repeat(24)}  denoising 0/4`),
    "\n",
  ]);
});

test("several jobs: each has a bar of its own", () => {
  const plan = planOf({});
  const [job] = plan.jobs;
  const { view, written } = watch({ ...plan, jobs: [job!, { ...job!, seed: 6 }] }, {});
  for (const at of [0, 1]) {
    view.update({ stage: "stage-1", job: at, step: 0, steps: 2, what: "denoising" });
    view.update({ stage: "stage-1", job: at, step: 2, steps: 2, what: "denoising" });
  }
  view.close();
  expect(written).toEqual(Array.from({ length: 2 }, () => expect.stringMatching(/stage 1, 64 px .* denoising 2\/2/)));
});

test("clock", () => {
  expect([0, 59.6, 61, 3600].map(clock)).toEqual(["0:00", "1:00", "1:01", "60:00"]);
});
