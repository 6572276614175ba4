/** The parent's side: what it makes of a stage's process, whatever that does. The children here are a few lines each. */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { IfGenError, StageError } from "../../src/errors.ts";
import { draftFolderIn } from "../../src/files/draft.ts";
import { type RunOptions, runPlan } from "../../src/executor/executor.ts";
import { type StageTask, stageTask } from "../../src/executor/protocol.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { planOf } from "../plan/plan-of.ts";
import { childThat } from "./child-that.ts";

const plan = planOf({});
const optionsFor = (made: { worker: URL; folder: string }, more: Partial<RunOptions> = {}): RunOptions => ({
  ...made,
  imagesOf: () => undefined,
  ...more,
});
const failureOf = (body: string, more: Partial<RunOptions> = {}): Promise<unknown> =>
  runPlan(plan, optionsFor(childThat(body), more)).then(
    () => "it succeeded",
    (error: unknown) => error,
  );
const tasksIn = (folder: string): StageTask[] =>
  readFileSync(join(folder, "tasks.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as StageTask);

test("stage after stage, each with the jobs' words and the generator as the one before left it", async () => {
  const made = childThat(`
    const { name } = task.stage;
    for (const { index: job } of task.jobs) {
      await say({ type: "progress", job, step: 1, steps: 1, what: name });
      await say({ type: "note", job, text: "note of " + name });
      await say({ type: "finished", job, ...(name === "stage-1" ? { generatorState: "after " + job } : {}) });
    }
    await say({ type: "done" });
    done();`);
  const second = { prompt: "a bird", negativePrompt: "", seed: 6 };
  const both = { ...plan, jobs: [...plan.jobs, second] };
  const seen: string[] = [];
  const ended: number[] = [];
  const times = await runPlan(
    both,
    optionsFor(made, {
      onProgress: ({ stage, job, what }) => seen.push(`${stage} ${job} ${what}`),
      onNote: (text, job) => seen.push(`${text} ${job}`),
      onJobEnd: async (job) => void ended.push(job),
      imagesOf: (stage, job) =>
        stage.name === "safety" ? { files: [{ path: `p${job}`, texts: { parameters: "q" } }] } : undefined,
    }),
  );
  const names = ["text-encoding", "stage-1", "stage-2", "safety"];
  expect([...times.keys()]).toEqual(names);
  expect(seen).toEqual(
    names.flatMap((name) => [0, 1].flatMap((job) => [`${name} ${job} ${name}`, `note of ${name} ${job}`])),
  );
  expect(ended).toEqual([0, 1]);
  const tasks = tasksIn(made.folder);
  expect(tasks.map(({ jobs }) => jobs.map(({ generatorState }) => generatorState))).toEqual([
    [undefined, undefined],
    [undefined, undefined],
    ["after 0", "after 1"],
    ["after 0", "after 1"],
  ]);
  expect(tasks.map(({ jobs }) => jobs.map(({ images }) => images?.files[0]?.path))).toEqual([
    [undefined, undefined],
    [undefined, undefined],
    [undefined, undefined],
    ["p0", "p1"],
  ]);
  expect(tasks[1]).toMatchObject({
    stage: plan.stages[1],
    numImages: 2,
    jobs: [
      { index: 0, prompt: "a cat", negativePrompt: "a dog", seed: 5, folder: join(made.folder, "job-1") },
      { index: 1, ...second, folder: join(made.folder, "job-2") },
    ],
  });
  for (const task of tasks) expect(stageTask.parse(task)).toEqual(task);
});

test("an error of the stage's own comes back with its code; a bug with the child's stack", async () => {
  const failure = await failureOf(
    `await say({ type: "error", code: "CHECKPOINT", message: "no weights" }); process.exitCode = 4; done();`,
  );
  expect(failure).toBeInstanceOf(IfGenError);
  expect(failure).toMatchObject({ code: "CHECKPOINT", message: "no weights", exitCode: 4 });
  const bug = (await failureOf(
    `await say({ type: "error", code: null, message: "TypeError: x\\n at y" }); done();`,
  )) as Error;
  expect(bug).not.toBeInstanceOf(IfGenError);
  expect(bug.stack).toBe("text-encoding: TypeError: x\n at y");
});

test.skipIf(process.platform === "win32").each([
  ["SIGKILL", /text-encoding was ended by SIGKILL: .*ran out of memory/],
  ["SIGSEGV", /ended by SIGSEGV: the native library crashed/],
  ["SIGTERM", /ended by SIGTERM: somebody stopped it/],
])("a child that is ended by %s", async (signal, says) => {
  const error = await failureOf(`process.kill(process.pid, "${signal}");`);
  expect(error).toBeInstanceOf(StageError);
  expect(error).toMatchObject({ exitCode: 7, message: expect.stringMatching(says) as string });
});

const caching: Readonly<Record<string, (cache: string) => Partial<Plan>>> = {
  "in fewer bits": (cache) => ({ textEncoder: { bits: 8, cache, activations: "float32" } }),
  "in blocks": (cache) => ({ unet: { bits: 8, cache } }),
  "with LoRAs": (cache) => ({
    stages: plan.stages.map((stage) =>
      stage.kind === "diffusion" ? { ...stage, lora: { network: "unet", cache, loras: [lora] } } : stage,
    ),
  }),
};
const lora = { file: "/a.safetensors", sha256: "0".repeat(64), weight: 1 };

test.skipIf(process.platform === "win32").each(Object.entries(caching))(
  "what a killed child has left of weights %s in the making is removed",
  async (_, withCache) => {
    const cache = mkdtempSync(join(tmpdir(), "if-gen-test-"));
    onTestFinished(() => rmSync(cache, { recursive: true, force: true }));
    const mine = basename(draftFolderIn(cache));
    mkdirSync(join(cache, mine)); // of a process that lives: this one
    const parts = JSON.stringify(mine.split(String(process.pid)));
    const made = childThat(`
    const { mkdirSync, writeFileSync } = await import("node:fs");
    const folder = ${JSON.stringify(cache)} + "/" + ${parts}.join(process.pid);
    mkdirSync(folder);
    writeFileSync(folder + "/model.safetensors", "half");
    process.kill(process.pid, "SIGKILL");`);
    const failed = runPlan({ ...plan, ...withCache(cache) }, optionsFor(made));
    await expect(failed).rejects.toThrow(/SIGKILL/);
    expect(readdirSync(cache)).toEqual([mine]);
  },
);

test("success is a result and exit code 0, neither alone; what the child wrote to stderr is told", async () => {
  expect(await failureOf("done();")).toMatchObject({
    code: "STAGE",
    message: expect.stringMatching(/exit code 0 and without a result/),
  });
  const late = await failureOf(`await say({ type: "done" }); console.error("oh no"); process.exitCode = 3; done();`);
  expect(late).toMatchObject({ code: "STAGE", message: expect.stringMatching(/exit code 3.*It said: oh no/s) });
});

test("an abort ends the running child, even one that will not listen, and no other is started", async () => {
  const controller = new AbortController();
  const made = childThat(
    `process.on("SIGTERM", () => {}); await say({ type: "note", job: 0, text: "busy" }); setInterval(() => {}, 1000);`,
  );
  const reason = new IfGenError("INTERRUPTED", "enough");
  const start = performance.now();
  const running = runPlan(
    plan,
    optionsFor(made, { signal: controller.signal, onNote: () => controller.abort(reason) }),
  );
  await expect(running).rejects.toBe(reason);
  expect(performance.now() - start).toBeLessThan(20_000);
  expect(tasksIn(made.folder)).toHaveLength(1);
  const aborted = childThat("done();");
  await expect(runPlan(plan, optionsFor(aborted, { signal: controller.signal }))).rejects.toBe(reason);
  expect(existsSync(join(aborted.folder, "tasks.jsonl"))).toBe(false);
});
