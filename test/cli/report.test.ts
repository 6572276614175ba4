import { expect, test } from "vitest";
import { describePlan, describeResult, planJson, resultJson } from "../../src/cli/report.ts";
import type { Limits, StageNeed } from "../../src/memory/budget.ts";
import { budgetTable } from "../../src/memory/budget-table.ts";
import type { DrawnJob } from "../../src/run/draw.ts";
import { plainRequest } from "../plan/plain-request.ts";
import { planOf } from "../plan/plan-of.ts";

const inpaint = planOf({ image: { width: 96, height: 64 }, mask: true });
const limits: Limits = { ramBytes: 13e9, ramSource: "test", vramBytes: 15e9 };
const needs: StageNeed[] = [
  { stage: "stage-1", networks: [], lowMemory: {}, privateBytes: 1e9, peakBytes: 2e9, verdict: "fits" },
];

test("a plan for people", () => {
  expect(describePlan(inpaint, needs, limits)).toBe(`command  inpaint
model    tiny
prompt   a cat
without  a dog
image    /images/car.png
seed     5
images   2
provider cpu (named)
text-encoding  T5, prompt cleaned, /tiny/if-i
stage-1        96x64 px, 3 steps, guidance 7, strength 0.5, /tiny/if-i
stage-2        384x256 px, 2 steps, guidance 4, noise level 250, strength 0.5, /tiny/if-ii
safety         flagged images: black, /tiny/if-i
the original's untouched pixels are put back
note: this is a note

${budgetTable(needs, limits)}
`);
});

test("a plan as JSON is the plan and its memory", () => {
  expect(planJson(inpaint, needs, limits)).toEqual({ ...inpaint, memory: { limits, needs } });
});

test("a result for people, and as JSON", () => {
  const safety = [{ unsafe: 0.1, watermark: 0.2, flagged: false }];
  const size = { width: 384, height: 256 };
  const job: DrawnJob = {
    request: { ...plainRequest, seed: 5 },
    plan: inpaint,
    images: [{ ...size, path: "a.png" }, size],
    stageMs: new Map([["stage-1", 1234.5678]]),
    safety,
    notes: ["n"],
  };
  expect(describeResult(job, 12.34567)).toBe("wrote a.png, standard output (384x256, seed 5) in 12.3 s\n");
  expect(resultJson(job, 12.34567)).toEqual({
    outputs: ["a.png", "-"],
    seed: 5,
    width: 384,
    height: 256,
    seconds: 12.346,
    executionProvider: inpaint.provider,
    stages: [{ name: "stage-1", seconds: 1.235 }],
    safety,
    notes: ["n"],
    plan: inpaint,
  });
});
