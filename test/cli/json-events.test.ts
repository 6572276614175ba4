/** Events of `--json`, and errors, as they are printed. */

import { expect, test, vi } from "vitest";
import { eventSchema } from "../../src/cli/event-schema.ts";
import { createEventPrinter, resultEventOf, timesOf } from "../../src/cli/json-events.ts";
import { main } from "../../src/cli/main.ts";
import { plainRequest } from "../plan/plain-request.ts";
import { planOf } from "../plan/plan-of.ts";

/** @returns what `work` writes to standard output, line by line. */
async function linesOf(work: () => unknown): Promise<unknown[]> {
  let text = "";
  const written = vi.spyOn(process.stdout, "write").mockImplementation((part, done?: unknown) => {
    text += String(part);
    if (typeof done === "function") done();
    return true;
  });
  const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    await work();
  } finally {
    written.mockRestore();
    said.mockRestore();
  }
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);
}

const plan = planOf({});
const limits = { ramBytes: 13e9, ramSource: "test", vramBytes: 15e9 };
const start = { kind: "start", files: [], totalBytes: 10, missingBytes: 7 } as const;
const part = { kind: "progress", path: "a", doneBytes: 1, fileBytes: 5, totalDoneBytes: 4, totalBytes: 10 } as const;

test("of a run: jobs from 1, no prompts in the plan, no previews, a download told now and then", async () => {
  let now = 0;
  const lines = await linesOf(() => {
    const print = createEventPrinter(1, undefined, () => now);
    print({ type: "download", repo: "a/b", event: start });
    print({ type: "download", repo: "a/b", event: part });
    now = 500;
    print({ type: "download", repo: "a/b", event: part });
    print({ type: "download", repo: "a/b", event: { kind: "file", path: "a", snapshotPath: "/a" } });
    print({ type: "plan", plan, needs: [], limits, jobs: [0] });
    print({ type: "note", text: "n", job: 0 });
    print({ type: "stage", stage: "stage-1" });
    const preview = { width: 1, height: 1, rgb: "AAAA" };
    print({ type: "step", stage: "stage-1", job: 0, jobs: [0, 1], step: 1, steps: 2, what: "denoising", preview });
    print({ type: "stage-end", stage: "stage-1", milliseconds: 1234.5678 });
    print({ type: "job", job: 0 });
  });
  const { jobs: _, ...settings } = plan;
  expect(lines).toEqual([
    { type: "download", repo: "a/b", doneBytes: 3, totalBytes: 10 },
    { type: "download", repo: "a/b", doneBytes: 4, totalBytes: 10 },
    { type: "plan", jobs: 1, plan: settings },
    { type: "note", job: 1, text: "n" },
    { type: "stage", stage: "stage-1" },
    { type: "progress", stage: "stage-1", job: 1, jobs: [1, 2], step: 1, steps: 2, what: "denoising" },
    { type: "stage-end", stage: "stage-1", seconds: 1.235 },
  ]);
  for (const line of lines) expect(eventSchema.safeParse(line).error).toBeUndefined();
});

test("a result", () => {
  const job = {
    request: { ...plainRequest, seed: 5 },
    plan,
    images: [{ path: "a.png", width: 384, height: 256 }],
    stageMs: new Map([["stage-1", 1234.5678]] as const),
    safety: [{ unsafe: 0.1, watermark: 0.2, flagged: false }],
    notes: ["n"],
  };
  const event = resultEventOf(job, { job: 1 }, timesOf(job, 12.34567));
  expect(event).toMatchObject({
    type: "result",
    job: 1,
    outputs: ["a.png"],
    seed: 5,
    seconds: 12.346,
    stages: [{ name: "stage-1", seconds: 1.235 }],
    safety: job.safety,
    notes: ["n"],
  });
  expect(eventSchema.safeParse(event).error).toBeUndefined();
});

process.stdout.setMaxListeners(0);
process.stderr.setMaxListeners(0);

test.each([
  [["txt2img", "a cat", "--json", "--steps", "3"], 2, "USAGE", /here it is --stage-1-steps/],
  [["txt2img", "a cat", "--json", "-o", "-"], 2, "USAGE", /--json and --output - would both write to standard output/],
  [["batch", "none.txt", "--json", "-d", "out"], 2, "USAGE", /none\.txt, the file of jobs, does not exist/],
  [["models", "show", "nope", "--json"], 4, "CHECKPOINT", /nope/],
] as const)("an error is one object: %j", async ([...args], exitCode, code, message) => {
  const lines = await linesOf(async () => expect(await main(args)).toBe(exitCode));
  expect(lines).toEqual([{ type: "error", code, exitCode, message: expect.stringMatching(message) as string }]);
  expect(eventSchema.safeParse(lines[0]).error).toBeUndefined();
});

test("without --json an error is no JSON", async () => {
  expect(await linesOf(() => main(["models", "show", "nope"]))).toEqual([]);
});
