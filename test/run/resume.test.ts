/** Runs of several jobs that were ended go on job by job; on the tiny checkpoints with the built program. */

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { IfGenError } from "../../src/errors.ts";
import { machineMark } from "../../src/files/draft.ts";
import type { Request } from "../../src/plan/request.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { draw, hashesOf, record, workOf } from "./draw-tiny.ts";
import { tinyRequest, tinyUntil } from "./tiny-cascade.ts";

vi.setConfig({ testTimeout: 300_000 }); // each stage is a process, and these are dozens

describe("a run that was ended", () => {
  /** Many steps in stage 2, which draws all jobs at once, so that it is still at them when it is ended. */
  const base: Request = { ...tinyUntil(256), stages: { "stage-1": { steps: 2 }, "stage-2": { steps: 30 } } };
  const requests = [1, 2, 3].map((seed): Request => ({ ...base, seed, prompt: `image ${seed}` }));
  const names = ["text-encoding", "stage-1", "stage-2"] as const;
  const all = (stage: string, jobs = [0, 1, 2]): string[] => jobs.map((job) => `${stage} of ${job}`);

  test("goes on with the stage it was at, then job by job, with the same bytes", async () => {
    const runDir = join(temporaryFolder(), "run");
    const controller = new AbortController();
    const reason = new IfGenError("INTERRUPTED", "enough");
    const first = record();
    const ended = draw(requests, {
      runDir,
      signal: controller.signal,
      onEvent(event) {
        first.onEvent(event);
        if (event.type === "step" && event.stage === "stage-2" && event.step === 2) controller.abort(reason);
      },
    });
    await expect(ended).rejects.toBe(reason);
    expect(workOf(first.events)).toEqual([...all("text-encoding"), ...all("stage-1"), ...all("stage-2")]);
    const second = record();
    const resumed = await draw(requests, { runDir, resume: true, onEvent: second.onEvent });
    expect(workOf(second.events)).toEqual(all("stage-2"));
    const whole = await draw(requests);
    expect(hashesOf(resumed)).toEqual(hashesOf(whole));
    expect(resumed[0]?.stageMs.get("stage-1")).toBe(0);

    const third = record();
    expect(hashesOf(await draw(requests, { runDir, resume: true, onEvent: third.onEvent }))).toEqual(hashesOf(whole));
    expect(workOf(third.events)).toEqual([]);
    expect(third.events.flatMap((event) => (event.type === "stage-end" ? [event.peaks] : []))).toEqual(
      names.map(() => undefined),
    );
    writeFileSync(join(runDir, "job-3", "stage-1.safetensors"), "bitten");
    const fourth = record();
    expect(hashesOf(await draw(requests, { runDir, resume: true, onEvent: fourth.onEvent }))).toEqual(hashesOf(whole));
    expect(workOf(fourth.events)).toEqual([...all("stage-1", [2]), ...all("stage-2", [2])]);
  });

  test("goes on too where a stage of it had failed", async () => {
    const runDir = join(temporaryFolder(), "run");
    // a folder where job 2's result of stage 1 is to be written
    mkdirSync(join(runDir, "job-2", "stage-1.safetensors"), { recursive: true });
    const short = requests.map((request): Request => ({ ...request, until: 64, stages: { "stage-1": { steps: 2 } } }));
    const failed = record();
    const ended = draw(short, { runDir, onEvent: failed.onEvent });
    await expect(ended).rejects.toMatchObject({ code: "OUTPUT" });
    expect(workOf(failed.events)).toEqual([...all("text-encoding"), ...all("stage-1")]); // drawn at once
    rmSync(join(runDir, "job-2", "stage-1.safetensors"), { recursive: true });
    const second = record();
    const resumed = await draw(short, { runDir, resume: true, onEvent: second.onEvent });
    expect(workOf(second.events)).toEqual(all("stage-1", [1, 2]));
    expect(hashesOf(resumed)).toEqual(hashesOf(await draw(short)));
  });

  test("goes on too where its model was removed meanwhile, once that is there again", async () => {
    const [folder, runDir] = [temporaryFolder(), join(temporaryFolder(), "run")];
    const model = join(folder, "model");
    cpSync(tinyRequest.model, model, { recursive: true });
    const one: Request = { ...tinyUntil(256), model, stages: { "stage-1": { steps: 2 }, "stage-2": { steps: 2 } } };
    const ended = draw([one], {
      runDir,
      onEvent(event) {
        if (event.type === "step" && event.stage === "stage-1")
          rmSync(join(model, "if-ii"), { recursive: true, force: true });
      },
    });
    await expect(ended).rejects.toMatchObject({
      code: "CHECKPOINT",
      message: expect.stringMatching(/if-ii.* cannot be read .*missing/),
    });
    cpSync(join(tinyRequest.model, "if-ii"), join(model, "if-ii"), { recursive: true });
    const { events, onEvent } = record();
    const resumed = await draw([one], { runDir, resume: true, onEvent });
    expect(workOf(events)).toEqual(["stage-2 of 0"]);
    expect(hashesOf(resumed)).toEqual(hashesOf(await draw([one])));
  });

  test("is not gone on with for other requests, nor begun anew in its folder", async () => {
    const runDir = join(temporaryFolder(), "run");
    const [one] = [{ ...requests[0]!, until: 64, stages: { "stage-1": { steps: 2 } } } satisfies Request];
    await draw([one], { runDir });
    await expect(draw([one], { runDir })).rejects.toMatchObject({ code: "USAGE" });
    await expect(draw([{ ...one, seed: 9 }], { runDir, resume: true })).rejects.toMatchObject({ code: "USAGE" });
    await expect(draw([one, { ...one, seed: 9 }], { runDir, resume: true })).rejects.toMatchObject({ code: "USAGE" });
  });

  test("cannot be one of jobs that make several plans: said before anything is drawn", async () => {
    const runDir = join(temporaryFolder(), "run");
    const { events, onEvent } = record();
    const others = [requests[0]!, { ...requests[0]!, until: 64 as const }];
    await expect(draw(others, { runDir, onEvent })).rejects.toThrow(
      /a run folder holds one plan, but these jobs make 2/,
    );
    expect(workOf(events)).toEqual([]);
    expect(existsSync(runDir)).toBe(false);
  });

  test("leaves no draft behind: what a killed process was writing in a job's folder is swept", async () => {
    const runDir = join(temporaryFolder(), "run");
    const [one] = [{ ...requests[0]!, until: 64, stages: { "stage-1": { steps: 2 } } } satisfies Request];
    mkdirSync(join(runDir, "job-1"), { recursive: true });
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    const draft = join(runDir, "job-1", `.if-gen-${machineMark()}-${gone}-0123abcd.tmp`);
    writeFileSync(draft, "half");
    await draw([one], { runDir });
    expect(existsSync(draft)).toBe(false);
  });

  test("before it had begun: nothing is run", async () => {
    const { events, onEvent } = record();
    const reason = new IfGenError("INTERRUPTED", "enough");
    const signal = AbortSignal.abort(reason);
    await expect(draw([tinyRequest], { signal, onEvent })).rejects.toBe(reason);
    expect(workOf(events)).toEqual([]);
  });
});
