import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { runPlan } from "../../src/executor/executor.ts";
import { RunFolder, readRunRecord } from "../../src/executor/run-folder.ts";
import { machineMark } from "../../src/files/draft.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { plainRequest } from "../plan/plain-request.ts";
import { planOf } from "../plan/plan-of.ts";

const disk = vi.hoisted(() => ({ isFull: false }));
/** On a full disk a file can be made, and every write to it fails. */
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  return {
    ...real,
    async open(path: string, flags?: string) {
      const handle = await real.open(path, flags);
      if (!disk.isFull) return handle;
      await handle.close();
      return real.open("/dev/full", "w");
    },
  };
});

const plan = planOf({});
const requests = [plainRequest];

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => {
    chmodSync(folder, 0o700);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** A stage that writes its files with its name and the generator it got; fails where `broken` says. */
function fakeWorker(folder: string): URL {
  const file = join(folder, "worker.mjs");
  writeFileSync(
    file,
    `import { appendFileSync, existsSync, writeFileSync } from "node:fs";
    const names = (stage) => stage === "text-encoding" ? ["prompt_embeds", "negative_prompt_embeds"] : [stage];
    const say = (message) => new Promise((resolve) => process.send(message, undefined, {}, resolve));
    process.once("message", async (task) => {
      const { name } = task.stage;
      for (const job of task.jobs) {
        const run = name + " of " + job.index;
        appendFileSync(${JSON.stringify(folder)} + "/ran", run + "\\n");
        if (existsSync(${JSON.stringify(folder)} + "/broken " + run)) process.kill(process.pid, "SIGKILL");
        const content = run + " after " + job.generatorState;
        if (name === "safety") writeFileSync(job.folder + "/safety.json", content);
        else for (const file of names(name)) writeFileSync(job.folder + "/" + file + ".safetensors", content);
        const generatorState = name.startsWith("stage-") ? "left by " + run : undefined;
        await say({ type: "finished", job: job.index, ...(generatorState ? { generatorState } : {}) });
      }
      await say({ type: "done" });
      setImmediate(() => process.disconnect());
    });`,
  );
  return pathToFileURL(file);
}

const ran = (folder: string): string[] => readFileSync(join(folder, "ran"), "utf8").trim().split("\n");

function runIn(tools: string, folder: string, running = plan): (resume: boolean) => Promise<void> {
  const worker = fakeWorker(tools);
  return async (resume) => {
    const runFolder = await RunFolder.open(folder, running, requests, { resume });
    try {
      await runPlan(running, { folder, runFolder, worker, imagesOf: () => undefined });
    } finally {
      await runFolder.close();
    }
  };
}

test("what is finished is not run again, and the generator goes on where it was; a lost or changed file is made anew", async () => {
  const tools = temporaryFolder();
  const folder = join(temporaryFolder(), "new", "run");
  const attempt = runIn(tools, folder);
  const fileOf = (name: string): string => join(folder, "job-1", name);
  writeFileSync(join(tools, "broken stage-2 of 0"), "");
  await expect(attempt(false)).rejects.toThrow(/stage-2 was ended by SIGKILL/);
  rmSync(join(tools, "broken stage-2 of 0"));
  await attempt(true);
  const names = ["text-encoding", "stage-1", "stage-2", "stage-2", "safety"];
  expect(ran(tools)).toEqual(names.map((name) => `${name} of 0`));
  expect(readFileSync(fileOf("stage-2.safetensors"), "utf8")).toBe("stage-2 of 0 after left by stage-1 of 0");
  expect(readFileSync(fileOf("safety.json"), "utf8")).toBe("safety of 0 after left by stage-2 of 0");
  await attempt(true);
  expect(ran(tools)).toHaveLength(5);
  writeFileSync(fileOf("stage-1.safetensors"), "bitten");
  await attempt(true);
  expect(ran(tools).slice(5)).toEqual(["stage-1 of 0", "stage-2 of 0", "safety of 0"]);
});

test("of several jobs, those that a stage had finished are not run again, nor those whose files are whole", async () => {
  const tools = temporaryFolder();
  const folder = temporaryFolder();
  const three = { ...plan, jobs: [0, 1, 2].map((seed) => ({ prompt: "p", negativePrompt: "", seed })) };
  const attempt = runIn(tools, folder, three);
  writeFileSync(join(tools, "broken stage-1 of 1"), "");
  await expect(attempt(false)).rejects.toThrow(/stage-1 was ended by SIGKILL/);
  const jobs = [0, 1, 2];
  const all = (name: string, someJobs = jobs): string[] => someJobs.map((job) => `${name} of ${job}`);
  expect(ran(tools)).toEqual([...all("text-encoding"), ...all("stage-1", [0, 1])]);
  rmSync(join(tools, "broken stage-1 of 1"));
  await attempt(true);
  expect(ran(tools).slice(5)).toEqual([...all("stage-1", [1, 2]), ...all("stage-2"), ...all("safety")]);
  for (const job of jobs) {
    const content = readFileSync(join(folder, `job-${job + 1}`, "safety.json"), "utf8");
    expect(content).toBe(`safety of ${job} after left by stage-2 of ${job}`);
  }
  rmSync(join(folder, "job-2", "stage-2.safetensors"));
  await attempt(true);
  expect(ran(tools).slice(13)).toEqual(["stage-2 of 1", "safety of 1"]);
});

test("another plan, a run that is there, a manifest that is none", async () => {
  const folder = temporaryFolder();
  await (await RunFolder.open(folder, plan, requests, { resume: false })).close();
  await expect(RunFolder.open(folder, plan, requests, { resume: false })).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringMatching(/add --resume/) as string,
  });
  await expect(RunFolder.open(folder, { ...plan, numImages: 3 }, requests, { resume: true })).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringMatching(/other settings/) as string,
  });
  for (const changes of [{ prompt: "a dog" }, { negativePrompt: "" }, { seed: 6 }]) {
    const jobs = plan.jobs.map((job) => ({ ...job, ...changes }));
    await expect(RunFolder.open(folder, { ...plan, jobs }, requests, { resume: true })).rejects.toThrow(
      /other settings/,
    );
  }
  const same: Plan = {
    ...plan,
    notes: [],
    lowMemory: { "stage-1": { microBatch: 1 } },
    provider: { requested: "auto", name: "cpu", passedOver: [] },
  };
  const again = await RunFolder.open(folder, same, requests, { resume: true });
  await expect(RunFolder.open(folder, same, requests, { resume: true })).rejects.toThrow(
    /another process .* is running/,
  );
  await again.close();
  writeFileSync(join(folder, "run.lock"), `${machineMark()} ${spawnSync(process.execPath, ["-e", ""]).pid}\n`);
  await (await RunFolder.open(folder, same, requests, { resume: true })).close(); // its owner was killed
  expect(await readRunRecord(folder)).toMatchObject({ requests, lowMemory: {} });
  writeFileSync(join(folder, "run.json"), "{");
  await expect(RunFolder.open(folder, plan, requests, { resume: true })).rejects.toMatchObject({ code: "OUTPUT" });
  writeFileSync(join(folder, "run.json"), "{}");
  await expect(RunFolder.open(folder, plan, requests, { resume: true })).rejects.toMatchObject({ code: "USAGE" });
  expect(await readRunRecord(temporaryFolder())).toBeUndefined();
});

test("one run at a time: another is refused until the first is closed, or its process is gone", async () => {
  const folder = temporaryFolder();
  const lock = join(folder, "run.lock");
  const first = await RunFolder.open(folder, plan, requests, { resume: false });
  const open = (): Promise<RunFolder> => RunFolder.open(folder, plan, requests, { resume: true });
  await expect(open()).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringMatching(new RegExp(`another process \\(${process.pid}\\) is running in`)) as string,
  });
  await first.close();
  expect(existsSync(lock)).toBe(false);
  const gone = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(lock, `${machineMark()} ${gone}\n`);
  const second = await open();
  expect(readFileSync(lock, "utf8")).toMatch(new RegExp(`^${machineMark()} ${process.pid} [0-9a-f]{16}\n$`));
  await second.close();
});

test("of many that find a dead owner's lock at once exactly one runs", async () => {
  const folder = temporaryFolder();
  await (await RunFolder.open(folder, plan, requests, { resume: false })).close();
  const script = `
    import { RunFolder } from ${JSON.stringify(new URL("../../dist/executor/run-folder.js", import.meta.url).href)};
    const [plan, requests] = JSON.parse(process.argv[1]);
    await RunFolder.open(${JSON.stringify(folder)}, plan, requests, { resume: true }).then(
      () => (console.log("runs"), process.stdin.resume()),
      ({ code }) => console.log(code),
    );`;
  const words = ["--input-type=module", "-e", script, JSON.stringify([plan, requests])];
  writeFileSync(join(folder, "run.lock"), `${machineMark()} ${spawnSync(process.execPath, ["-e", ""]).pid}\n`);
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, words, { stdio: ["pipe", "pipe", "inherit"] }),
  );
  const said = await Promise.all(
    children.map(async ({ stdout }) => String((await once(stdout, "data"))[0] as Buffer).trim()),
  );
  for (const { stdin } of children) stdin.end(); // the one that runs keeps its lock until all have answered
  expect(said.toSorted()).toEqual(["USAGE", "USAGE", "USAGE", "runs"]);
});

test("a folder that cannot be written to is one clear error", async () => {
  const file = join(temporaryFolder(), "file");
  writeFileSync(file, "");
  await expect(RunFolder.open(join(file, "run"), plan, requests, { resume: false })).rejects.toMatchObject({
    code: "OUTPUT",
    message: expect.stringMatching(/the run folder .*run cannot be written to: its folder is a file/) as string,
  });
  expect(existsSync(join(file, "run"))).toBe(false);
});

test.skipIf(process.platform !== "linux" || !existsSync("/dev/full"))("a full disk is one clear error", async () => {
  const folder = temporaryFolder();
  const runFolder = await RunFolder.open(folder, plan, requests, { resume: false });
  const before = readFileSync(join(folder, "run.json"), "utf8");
  const file = join(folder, "stage-1.safetensors");
  writeFileSync(file, "x");
  disk.isFull = true;
  onTestFinished(() => void (disk.isFull = false));
  await expect(runFolder.record("stage-1", 0, [file], undefined)).rejects.toMatchObject({
    code: "OUTPUT",
    message: expect.stringMatching(/the disk is full; free some space/) as string,
  });
  await runFolder.close();
  expect(readdirSync(folder).sort()).toEqual(["run.json", "stage-1.safetensors"]);
  expect(readFileSync(join(folder, "run.json"), "utf8")).toBe(before);
});

test.skipIf(process.platform === "win32")(
  "pipes in a run's folder end it with a sentence, and are not waited for",
  async () => {
    const folder = temporaryFolder();
    const open = (): Promise<RunFolder> => RunFolder.open(folder, plan, requests, { resume: true });
    for (const [name, says] of [
      ["run.lock", /or remove .*run\.lock/],
      ["run.json", /run\.json is not a regular file but .* a pipe or a socket; give another --run-dir\./],
    ] as const) {
      spawnSync("mkfifo", [join(folder, name)]);
      await expect(open()).rejects.toThrow(says);
      rmSync(join(folder, name));
    }
    await (await open()).close();
  },
);
