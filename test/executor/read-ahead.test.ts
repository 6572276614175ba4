import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { runPlan } from "../../src/executor/executor.ts";
import {
  type ReadAhead,
  type ReadOwn,
  createReadAhead,
  createReadOwn,
  readFiles,
  roomBeside,
} from "../../src/executor/read-ahead.ts";
import { predictStages } from "../../src/memory/predict-stages.ts";
import { weightFiles } from "../../src/networks/network-weights.ts";
import type { Limits, StageNeed } from "../../src/memory/budget.ts";
import type { Plan, Stage } from "../../src/plan/plan.ts";
import { chooseSource } from "../../src/weights/variants.ts";
import { goldenPath } from "../golden.ts";
import { planOf } from "../plan/plan-of.ts";

const limits: Limits = { ramBytes: 13e9, ramSource: "test", vramBytes: 15e9 };
const never = new AbortController().signal;

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Stages 1 to 3 of the tiny checkpoints. */
const tinyPlan = (): Plan => {
  const plan = planOf({});
  const stage = (name: "stage-1" | "stage-2" | "stage-3", folder: string, side: number): Stage => ({
    kind: "diffusion",
    name,
    checkpoint: goldenPath("checkpoints", folder),
    selection: { numInferenceSteps: 2 },
    scheduler: "DDPMScheduler",
    sampler: "DDPM",
    steps: 2,
    guidanceScale: 7,
    width: side,
    height: side,
  });
  return {
    ...plan,
    stages: [stage("stage-1", "if-i", 24), stage("stage-2", "if-ii", 48), stage("stage-3", "x4-upscaler", 192)],
  };
};

describe("what is read", () => {
  test("exactly the files of the next stage, in the order of its networks", async () => {
    const plan = tinyPlan();
    const [, second, third] = plan.stages as [Stage, Stage, Stage];
    const seen: string[][] = [];
    const readAhead = createReadAhead(plan, await predictStages(plan, limits), limits, {
      available: () => 5e9,
      read: (files) => Promise.resolve(seen.push(files.map((file) => file)) && 0),
    });
    await readAhead(second, third, never);
    const components = ["text_encoder", "unet", "vae"];
    const sources = await Promise.all(components.map((name) => chooseSource(join(third.checkpoint, name))));
    expect(seen).toEqual([sources.map(({ path }) => path)]);
    await readAhead(plan.stages[0] as Stage, second, never);
    expect(seen[1]?.map((file) => basename(dirname(file)))).toEqual(["unet"]);
  });

  test("beside T5, which runs once, first its own weights, as far as it maps them", async () => {
    const plan = tinyPlan();
    const checkpoint = goldenPath("checkpoints", "if-i");
    const text: Stage = { kind: "text", name: "text-encoding", checkpoint, cleanCaption: false };
    const whole = { ...plan, stages: [text, ...plan.stages] };
    const needs = (await predictStages(whole, limits)).map((need): StageNeed => ({
      ...need,
      networks: need.networks.map((network) => ({ ...network, mappedBytes: 123 })),
    }));
    const seen: { folder: string; room: number }[] = [];
    const read = ([file = ""]: readonly string[], room: () => number): Promise<number> => {
      seen.push({ folder: basename(dirname(file)), room: room() });
      return Promise.resolve(0);
    };
    await createReadAhead(whole, needs, limits, { available: () => 5e9, read })(text, whole.stages[1] as Stage, never);
    expect(seen.map(({ folder }) => folder)).toEqual(["text_encoder", "unet"]);
    expect(seen[0]?.room).toBe(123);
    expect(seen[1]?.room).toBeGreaterThan(4e9);
  });

  test("a stage's own files, from its start, if it runs on a GPU", async () => {
    const plan = tinyPlan();
    const [first] = plan.stages as [Stage];
    const [need] = (await predictStages(plan, limits)) as [StageNeed];
    const seen: string[] = [];
    const read = (files: readonly string[]): Promise<number> => Promise.resolve(seen.push(...files));
    const readOwn = (stageNeed: StageNeed) =>
      createReadOwn(plan, [stageNeed], limits, { available: () => 5e9, read })(first, never);
    await readOwn(need);
    expect(seen).toEqual([]);
    await readOwn({ ...need, gpuBytes: 1e9 });
    expect(seen).toEqual(await weightFiles(plan, first));
  });

  test("shards one after the other, to their last byte", async () => {
    const folder = temporaryFolder();
    const files = [5_000_000, 3, 0, 4_194_304].map((bytes, at) => {
      writeFileSync(join(folder, String(at)), Buffer.alloc(bytes));
      return join(folder, String(at));
    });
    expect(await readFiles(files, () => Infinity, never)).toBe(9_194_307);
    expect(await readFiles(files, () => 6_000_000, never)).toBe(6_000_000);
    let calls = 0;
    expect(await readFiles(files, () => (calls++ === 0 ? 1e9 : 0), never)).toBe(4_194_304);
    expect(await readFiles(files, () => -1, never)).toBe(0);
    expect(await readFiles(files, () => Infinity, AbortSignal.abort())).toBe(0);
  });

  test("nothing beside a stage that was not predicted; a file that is gone is the next stage's to report", async () => {
    const plan = tinyPlan();
    const [first, second] = plan.stages as [Stage, Stage];
    const seen: unknown[] = [];
    const read = (files: readonly string[]): Promise<number> => Promise.resolve(seen.push(files));
    await createReadAhead(plan, [], limits, { available: () => 5e9, read })(first, second, never);
    const needs = await predictStages(plan, limits);
    const lost: Stage = { ...second, checkpoint: join(temporaryFolder(), "gone") };
    await createReadAhead(plan, needs, limits, { available: () => 5e9, read })(first, lost, never);
    expect(seen).toEqual([]);
    await expect(weightFiles(plan, lost)).rejects.toMatchObject({ code: "CHECKPOINT" });
  });
});

describe("how much is read", () => {
  const need = { stage: "stage-1", privateBytes: 2e9, peakBytes: 8e9 } as StageNeed;
  const reserve = 2 ** 28;

  test("what is left when the stage has taken its most: of the memory, and of the budget", () => {
    expect(roomBeside(need, limits, 10e9, 10e9)).toBe(2e9 - reserve);
    expect(roomBeside(need, limits, 10e9, 8e9)).toBe(2e9 - reserve); // the stage has taken its own
    expect(roomBeside(need, limits, 10e9, 7e9)).toBe(1e9 - reserve); // somebody else took a gigabyte
    expect(roomBeside(need, { ...limits, ramBytes: 9e9 }, 20e9, 20e9)).toBe(1e9 - reserve);
    expect(roomBeside(need, limits, 8e9, 8e9)).toBeLessThan(0);
  });

  test("is asked again while it is read", async () => {
    const plan = tinyPlan();
    const [first, second] = plan.stages as [Stage, Stage];
    const rooms: number[] = [];
    let free = 5e9;
    const read = (_: readonly string[], room: () => number): Promise<number> => {
      rooms.push(room());
      free = 1e9;
      rooms.push(room());
      return Promise.resolve(0);
    };
    const needs: StageNeed[] = [{ ...need, privateBytes: 1e8, peakBytes: 5e8 }];
    await createReadAhead(plan, needs, limits, { available: () => free, read })(first, second, never);
    expect(rooms).toEqual([4.5e9 - reserve, 0.6e9 - reserve]);
  });
});

describe("when", () => {
  /** A stage that reports a step, lives a little, and ends as `end` says. */
  function workerThat(end: string): { worker: URL; folder: string } {
    const folder = temporaryFolder();
    const file = join(folder, "worker.mjs");
    writeFileSync(
      file,
      `const say = (message) => new Promise((resolve) => process.send(message, undefined, {}, resolve));
      process.once("message", async () => {
        await say({ type: "progress", job: 0, step: 0, steps: 2, what: "loaded nothing yet" });
        await say({ type: "note", job: 0, text: "between" });
        await say({ type: "progress", job: 0, step: 1, steps: 2, what: "a step" });
        await say({ type: "progress", job: 0, step: 2, steps: 2, what: "a step" });
        ${end}
      });`,
    );
    return { worker: pathToFileURL(file), folder };
  }
  const plan = planOf({});
  const endsWell = `await say({ type: "done" }); setImmediate(() => process.disconnect());`;

  /** Reads until it is told to stop. */
  function recorder(log: string[]): ReadAhead {
    return (running, next, signal) => {
      log.push(`${running.name} > ${next.name}`);
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          log.push(`stopped before ${next.name}`);
          resolve();
        });
      });
    };
  }

  test("from the stage's first step to its end; beside the last one nothing", async () => {
    const log: string[] = [];
    const options = { imagesOf: () => undefined, onNote: () => log.push("between"), readAhead: recorder(log) };
    await runPlan(plan, { ...workerThat(endsWell), ...options });
    const names = plan.stages.map(({ name }) => name);
    expect(log).toEqual([
      ...names.slice(1).flatMap((next, at) => ["between", `${names[at]} > ${next}`, `stopped before ${next}`]),
      "between",
    ]);
  });

  test("a stage's own files from its start to its end", async () => {
    const log: string[] = [];
    const readOwn: ReadOwn = (running, signal) => {
      log.push(running.name);
      return new Promise((resolve) =>
        signal.addEventListener("abort", () => resolve(void log.push(`not ${running.name}`))),
      );
    };
    await runPlan(plan, {
      ...workerThat(endsWell),
      imagesOf: () => undefined,
      onNote: () => log.push("between"),
      readOwn,
    });
    expect(log).toEqual(plan.stages.flatMap(({ name }) => [name, "between", `not ${name}`]));
  });

  test.each([
    ["fails", `await say({ type: "error", code: "CHECKPOINT", message: "no" }); process.exit(4);`],
    ["is killed", `process.kill(process.pid, "SIGKILL");`],
  ])("not after the stage %s", async (_, end) => {
    const log: string[] = [];
    const running = runPlan(plan, { ...workerThat(end), imagesOf: () => undefined, readAhead: recorder(log) });
    await expect(running).rejects.toThrow(/no|SIGKILL/);
    expect(log).toEqual(["text-encoding > stage-1", "stopped before stage-1"]);
  });
});
