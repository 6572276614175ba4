/** A stage that is started while the one before still runs: it waits for its turn, and is ended when that never comes. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { runPlan } from "../../src/executor/executor.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { planOf } from "../plan/plan-of.ts";

const gpuStages = { "stage-1": "webgpu", "stage-2": "webgpu" } as const;
const plan: Plan = {
  ...planOf({}),
  provider: { requested: "webgpu", name: "webgpu", passedOver: [] },
  gpuStages,
  ahead: ["stage-1", "stage-2"],
};

/** Writes what happens to `log`; `turn` waits for the message that says it is the stage's turn. */
function workerThat(body: string): { worker: URL; folder: string; log: () => string[] } {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [file, log] = [join(folder, "worker.mjs"), join(folder, "log")];
  writeFileSync(
    file,
    `import { appendFileSync, readFileSync } from "node:fs";
    const logged = () => readFileSync(${JSON.stringify(log)}, "utf8");
    const log = (text) => appendFileSync(${JSON.stringify(log)}, text + "\\n");
    const say = (message) => new Promise((resolve) => process.send(message, undefined, {}, resolve));
    process.once("disconnect", () => process.exit());
    process.once("message", async (task) => {
      const { name } = task.stage;
      const turn = new Promise((resolve) => process.once("message", resolve));
      const finish = async (jobs, mayEnd = () => true) => {
        await say({ type: "progress", job: 0, step: 1, steps: 2, what: "x" });
        while (!mayEnd()) await new Promise((resolve) => setTimeout(resolve, 50));
        await new Promise((resolve) => setTimeout(resolve, 1000));
        for (const { index: job } of jobs) {
          await say({ type: "finished", job, ...(name === "stage-1" ? { generatorState: "after stage 1" } : {}) });
        }
        log("end " + name);
        await say({ type: "done" });
        setImmediate(() => process.exit());
      };
      log("start " + name + (task.isAhead ? " ahead" : "") + (task.isAhead && !task.warmsUp ? ", not warmed up" : ""));
      ${body}
    });`,
  );
  const lines = (): string[] => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []);
  return { worker: pathToFileURL(file), folder, log: () => inOrder(lines()) };
}

/** The first two stages begin at once: which of them says so first is no matter. */
const inOrder = ([first = "", second = "", ...rest]: string[]): string[] => [
  ...[first, second].sort((a, b) => b.localeCompare(a)),
  ...rest,
];

const run = ({ worker, folder }: { worker: URL; folder: string }, shown: Plan = plan) =>
  runPlan(shown, { worker, folder, imagesOf: () => undefined });

const waiting = `
  if (!task.isAhead) return finish(task.jobs);
  const { type, jobs } = await turn;
  log(type + " " + name + " " + (jobs[0].generatorState ?? "none"));
  await finish(jobs);`;

test("each is started beside the one before and goes on with what that left", async () => {
  const made = workerThat(waiting);
  const times = await run(made);
  expect([...times.keys()]).toEqual(["text-encoding", "stage-1", "stage-2", "safety"]);
  expect(made.log()).toEqual([
    "start text-encoding",
    "start stage-1 ahead",
    "end text-encoding",
    "go stage-1 none",
    "start stage-2 ahead",
    "end stage-1",
    "go stage-2 after stage 1",
    "end stage-2",
    "start safety",
    "end safety",
  ]);
});

const untilLogged = (line: string): string =>
  `while (!logged().includes("${line}")) await new Promise((resolve) => setTimeout(resolve, 20));`;

test.each([
  ["before its turn", 'await say({ type: "loaded" }); log("loaded stage-1"); const { jobs } = await turn;'],
  ["after its turn has come", 'log("loaded stage-1"); const { jobs } = await turn; await say({ type: "loaded" });'],
])("the next is started beside a stage that was loaded %s, not after its first step", async (_, loading) => {
  const made = workerThat(`
    if (name === "stage-1") {
      ${loading}
      ${untilLogged("start stage-2 ahead")}
      return finish(jobs);
    }
    if (name === "text-encoding") return finish(task.jobs, () => logged().includes("loaded stage-1"));
    ${waiting}`);
  await run(made);
  expect(made.log().filter((line) => line.includes("stage-2"))).toEqual([
    "start stage-2 ahead",
    "go stage-2 after stage 1",
    "end stage-2",
  ]);
});

test("none without the plan's word", async () => {
  const made = workerThat(waiting);
  await run(made, { ...plan, ahead: [] });
  expect(made.log().filter((line) => /ahead|go/.test(line))).toEqual([]);
});

test("one without room for its first run is loaded, and not warmed up", async () => {
  const made = workerThat(waiting);
  await run(made, { ...plan, loadedAhead: ["stage-2"] });
  expect(made.log().filter((line) => line.includes("ahead"))).toEqual([
    "start stage-1 ahead",
    "start stage-2 ahead, not warmed up",
  ]);
});

test("one that fails before its turn is started again when it comes", async () => {
  const made = workerThat(`
    if (name === "stage-2" && task.isAhead) process.exit(3);
    if (name === "stage-1") { // it goes on until the other has failed, however busy the machine is
      const { jobs } = await turn;
      return finish(jobs, () => logged().includes("start stage-2 ahead"));
    }
    ${waiting}`);
  await run(made);
  expect(made.log().filter((line) => line.includes("stage-2"))).toEqual([
    "start stage-2 ahead",
    "start stage-2",
    "end stage-2",
  ]);
});

test("the end of the one before ends it too", async () => {
  const made = workerThat(`
    if (name === "stage-1") { await turn; setTimeout(() => process.exit(3), 1500); await say({ type: "progress", job: 0, step: 1, steps: 2, what: "x" }); return; }
    process.on("SIGTERM", () => { log("ended " + name); process.exit(); });
    ${waiting}`);
  await expect(run(made)).rejects.toThrow(/stage-1 ended with exit code 3/);
  expect(made.log()).toEqual([
    "start text-encoding",
    "start stage-1 ahead",
    "end text-encoding",
    "start stage-2 ahead",
    "ended stage-2",
  ]);
});
