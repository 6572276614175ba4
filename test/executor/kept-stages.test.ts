/** Stages' processes that stay between runs: used again, replaced when they are lost, ended when memory is short. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { runPlan } from "../../src/executor/executor.ts";
import type { GpuHeld } from "../../src/executor/gpu-guard.ts";
import { KeptStages } from "../../src/executor/kept-stages.ts";
import type { StageProcess } from "../../src/executor/stage-process.ts";
import type { Limits, StageNeed } from "../../src/memory/budget.ts";
import type { Plan } from "../../src/plan/plan.ts";
import type { StageName } from "../../src/plan/stages.ts";
import { planOf } from "../plan/plan-of.ts";

const two = planOf({});
const plan: Plan = { ...two, jobs: [...two.jobs, { prompt: "a bird", negativePrompt: "", seed: 6 }] };
const names = plan.stages.map(({ name }) => name);
const limits: Limits = { ramBytes: 4e9, ramSource: "--ram-budget", vramBytes: 4e9 };

const needsOf = (peaks: Partial<Record<StageName, number>> = {}, networks = 1): StageNeed[] =>
  names.map((stage) => {
    const peakBytes = peaks[stage] ?? 1e8;
    const network = { network: "UNet", weightBytes: 0, mappedBytes: 0, activationBytes: 0, overheadBytes: 0 };
    return {
      stage,
      networks: Array.from({ length: networks }, () => ({ ...network, privateBytes: peakBytes, peakBytes })),
      lowMemory: {},
      privateBytes: peakBytes,
      peakBytes,
      verdict: "fits",
    };
  });

/** Children that finish task after task, and write down which process drew which job of which stage. */
function stageWorkers(body = ""): { readonly worker: URL; readonly folder: string; readonly log: () => string[][] } {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [file, log] = [join(folder, "worker.mjs"), join(folder, "log")];
  writeFileSync(
    file,
    `import { appendFileSync, existsSync, writeFileSync } from "node:fs";
    const say = (message) => new Promise((resolve) => process.send(message, undefined, {}, resolve));
    process.once("disconnect", () => process.exit());
    let tasks = 0;
    process.on("message", async (task) => {
      tasks++;
      for (const { index: job } of task.jobs) {
        ${body}
        appendFileSync(${JSON.stringify(log)}, [process.pid, task.stage.name, job].join(" ") + "\\n");
        await say({ type: "finished", job });
      }
      await say({ type: "done" });
      if (!task.keepsNetworks) setImmediate(() => process.exit());
    });`,
  );
  const lines = (): string[] => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []);
  return { worker: pathToFileURL(file), folder, log: () => lines().map((line) => line.split(" ")) };
}

const isAlive = (pid: string | undefined): boolean => existsSync(`/proc/${pid}`);

function keeping(needs = needsOf(), somePlan = plan) {
  const stages = new KeptStages();
  onTestFinished(() => stages.close());
  return { stages, keeping: stages.forPlan(somePlan, needs, limits) };
}

const run = (made: ReturnType<typeof stageWorkers>, kept: ReturnType<typeof keeping>, somePlan = plan) =>
  runPlan(somePlan, { ...made, imagesOf: () => undefined, keeping: kept.keeping });

/** The processes of one run, stage by stage. */
const processes = (lines: readonly string[][]): (string | undefined)[] => [...new Set(lines.map(([pid]) => pid))];

describe.skipIf(process.platform !== "linux")("processes that are kept", () => {
  test("draw the next run's jobs, each its stage's; all are ended when nobody needs them", async () => {
    const [made, kept] = [stageWorkers(), keeping()];
    await run(made, kept);
    expect(kept.stages.held().ram).toBeGreaterThan(1e6);
    await run(made, kept);
    expect(processes(made.log())).toHaveLength(names.length);
    expect(made.log().map(([, stage, job]) => `${stage} ${job}`)).toEqual(
      [1, 2].flatMap(() => names.flatMap((name) => [`${name} 0`, `${name} 1`])),
    );
    await kept.stages.close();
    expect(kept.stages.held()).toEqual({ ram: 0, vram: 0 });
    expect(processes(made.log()).filter(isAlive)).toEqual([]);
    await run(made, kept); // of a run that had not ended nothing is kept any more
    await expect.poll(() => processes(made.log()).filter(isAlive)).toEqual([]);
  });

  test("are replaced if somebody ended them while they waited", async () => {
    const [made, kept] = [stageWorkers(), keeping()];
    await run(made, kept);
    for (const pid of processes(made.log())) process.kill(Number(pid), "SIGKILL");
    await run(made, kept); // some are known to be gone by now, of others it is heard when they are told their task
    expect(processes(made.log())).toHaveLength(2 * names.length);
    expect(made.log()).toHaveLength(2 * 2 * names.length);
  });

  test("are replaced if they fail at a task, for the jobs that they had not finished", async () => {
    const made = stageWorkers(`if (tasks === 2 && job === 1) process.kill(process.pid, "SIGSEGV");`);
    const kept = keeping();
    await run(made, kept);
    await run(made, kept);
    const second = made.log().slice(2 * names.length);
    expect(second.map(([, stage, job]) => `${stage} ${job}`)).toEqual(
      names.flatMap((name) => [`${name} 0`, `${name} 1`]),
    );
    expect(new Set(second.filter(([, name]) => name === "text-encoding").map(([pid]) => pid)).size).toBe(2);
  });

  test("and a new one that fails as well fails the jobs", async () => {
    const made = stageWorkers(`
      const mark = import.meta.filename + ".bad";
      if (tasks === 2) writeFileSync(mark, "");
      if (existsSync(mark)) process.kill(process.pid, "SIGSEGV");`);
    const kept = keeping();
    await run(made, kept);
    await expect(run(made, kept)).rejects.toMatchObject({ code: "STAGE" });
  });

  test("are ended by the signal also while what they drew is still being recorded", async () => {
    const [made, kept, stop] = [stageWorkers(), keeping(), new AbortController()];
    const never = new Promise<void>(() => undefined);
    const options = { ...made, imagesOf: () => undefined, keeping: kept.keeping, signal: stop.signal };
    void runPlan(plan, { ...options, onJobEnd: () => never });
    await expect.poll(() => made.log().length, { timeout: 30_000 }).toBe(2 * names.length);
    stop.abort(new Error("stopped"));
    await kept.stages.close();
    await expect.poll(() => processes(made.log()).filter(isAlive), { timeout: 10_000 }).toEqual([]);
  });

  test("are ended where they do not fit beside the next stage: first the one that is needed last", async () => {
    const made = stageWorkers();
    const needs = needsOf({ "stage-2": limits.ramBytes - 1e6, safety: limits.ramBytes });
    const kept = keeping(needs);
    await run(made, kept);
    await run(made, kept);
    const processesOf = (name: string): number =>
      new Set(made.log().flatMap(([pid, stage]) => (stage === name ? [pid] : []))).size;
    expect(names.map(processesOf)).toEqual([2, 2, 2, 2]); // nothing fits beside the last stage but itself, nor it beside the first
  });

  test("stages of other plans go first, then the one that was used last", async () => {
    const made = stageWorkers();
    const kept = keeping();
    await run(made, kept);
    const shorter = { stages: plan.stages.slice(0, 3) };
    const held = kept.stages.held().ram;
    const tight = kept.stages.forPlan(shorter, needsOf({ "stage-1": limits.ramBytes - 0.45 * held }), limits);
    await tight.makeRoom("stage-1");
    expect(names.filter(tight.has)).toEqual(["text-encoding", "stage-1"]);
  });

  test("are none where a stage's networks do not all fit beside each other, or on another device", async () => {
    const [made, kept] = [stageWorkers(), keeping(needsOf({ "stage-2": limits.ramBytes / 1.5 }, 2))];
    expect(names.filter(kept.keeping.mayKeep)).toEqual(["text-encoding", "stage-1", "safety"]);
    await run(made, kept);
    expect(names.filter(kept.keeping.has)).toEqual(["text-encoding", "stage-1", "safety"]);
    const other: Plan = { ...plan, gpuStages: { "stage-1": "webgpu" } };
    await run(made, kept, other);
    expect(new Set(made.log().flatMap(([pid, stage]) => (stage === "stage-1" ? [pid] : []))).size).toBe(2);
  });
});

test("GPU memory is what was measured; where others' may be in it, at most what was predicted", () => {
  const heldOf = (measured: GpuHeld | undefined): number => {
    const kept = keeping(needsOf().map((need) => ({ ...need, gpuBytes: 2e9 })));
    const [stage] = plan.stages;
    const never = new Promise<never>(() => undefined);
    const process: StageProcess = {
      isLoaded: () => false,
      go: () => undefined,
      done: never,
      next: () => never,
      ended: Promise.resolve(),
      heldBytes: () => 0,
      heldGpu: () => measured,
      stop: () => undefined,
    };
    kept.keeping.put(
      { stage: stage!, numImages: 1, eta: 0, lowMemory: {}, jobsAtOnce: 1, isAhead: false, jobs: [] },
      process,
    );
    return kept.stages.held().vram;
  };
  expect(heldOf(undefined)).toBe(2e9);
  expect(heldOf({ bytes: 3e9, isOwn: true })).toBe(3e9);
  expect(heldOf({ bytes: 1e9, isOwn: true })).toBe(1e9);
  expect(heldOf({ bytes: 3e9, isOwn: false })).toBe(2e9);
  expect(heldOf({ bytes: 1e9, isOwn: false })).toBe(1e9);
});
