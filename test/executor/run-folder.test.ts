import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { runPlan } from "../../src/executor/executor.ts";
import { RunFolder, readRunRecord } from "../../src/executor/run-folder.ts";
import { planOf } from "../plan/plan-of.ts";

const plan = planOf({});

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
    process.once("message", (job) => {
      const { name } = job.stage;
      appendFileSync(${JSON.stringify(folder)} + "/ran", name + "\\n");
      if (existsSync(${JSON.stringify(folder)} + "/broken-" + name)) process.kill(process.pid, "SIGKILL");
      const content = name + " after " + job.generatorState;
      if (name === "safety") writeFileSync(job.folder + "/safety.json", content);
      else for (const file of names(name)) writeFileSync(job.folder + "/" + file + ".safetensors", content);
      const generatorState = name.startsWith("stage-") ? "left by " + name : undefined;
      process.send({ type: "result", ...(generatorState ? { generatorState } : {}) }, undefined, {}, () =>
        setImmediate(() => process.disconnect()));
    });`,
  );
  return pathToFileURL(file);
}

const ran = (folder: string): string[] => readFileSync(join(folder, "ran"), "utf8").trim().split("\n");

test("what is finished is not run again, and the generator goes on where it was; a lost or changed file is made anew", async () => {
  const tools = temporaryFolder();
  const worker = fakeWorker(tools);
  const folder = join(temporaryFolder(), "new", "run");
  const attempt = async (resume: boolean): Promise<void> => {
    const runFolder = await RunFolder.open(folder, plan, { resume });
    await runPlan(plan, { folder, runFolder, worker, picturesOf: () => undefined });
  };
  writeFileSync(join(tools, "broken-stage-2"), "");
  await expect(attempt(false)).rejects.toThrow(/stage-2 was ended by SIGKILL/);
  rmSync(join(tools, "broken-stage-2"));
  await attempt(true);
  expect(ran(tools)).toEqual(["text-encoding", "stage-1", "stage-2", "stage-2", "safety"]);
  expect(readFileSync(join(folder, "stage-2.safetensors"), "utf8")).toBe("stage-2 after left by stage-1");
  expect(readFileSync(join(folder, "safety.json"), "utf8")).toBe("safety after left by stage-2");
  await attempt(true);
  expect(ran(tools)).toHaveLength(5);
  writeFileSync(join(folder, "stage-1.safetensors"), "bitten");
  await attempt(true);
  expect(ran(tools).slice(5)).toEqual(["stage-1", "stage-2", "safety"]);
});

test("another plan, a run that is there, a manifest that is none", async () => {
  const folder = temporaryFolder();
  await RunFolder.open(folder, plan, { resume: false });
  await expect(RunFolder.open(folder, plan, { resume: false })).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringMatching(/add --resume/) as string,
  });
  await expect(RunFolder.open(folder, { ...plan, prompt: "a dog" }, { resume: true })).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringMatching(/other settings/) as string,
  });
  await expect(RunFolder.open(folder, { ...plan, notes: [] }, { resume: true })).resolves.toBeInstanceOf(RunFolder);
  expect(await readRunRecord(folder)).toMatchObject({ seed: 5, thrift: {} });
  writeFileSync(join(folder, "run.json"), "{");
  await expect(RunFolder.open(folder, plan, { resume: true })).rejects.toMatchObject({ code: "OUTPUT" });
  writeFileSync(join(folder, "run.json"), "{}");
  await expect(RunFolder.open(folder, plan, { resume: true })).rejects.toMatchObject({ code: "USAGE" });
  expect(await readRunRecord(temporaryFolder())).toBeUndefined();
});

test("a folder that cannot be written to is one clear error", async () => {
  const file = join(temporaryFolder(), "file");
  writeFileSync(file, "");
  await expect(RunFolder.open(join(file, "run"), plan, { resume: false })).rejects.toMatchObject({
    code: "OUTPUT",
    message: expect.stringMatching(/the run folder .*run cannot be written to: its folder is a file/) as string,
  });
  expect(existsSync(join(file, "run"))).toBe(false);
});

test.skipIf(process.platform !== "linux" || !existsSync("/dev/full"))("a full disk is one clear error", async () => {
  const folder = temporaryFolder();
  const runFolder = await RunFolder.open(folder, plan, { resume: false });
  const before = readFileSync(join(folder, "run.json"), "utf8");
  const stage = join(folder, "stage-1.safetensors");
  writeFileSync(stage, "x");
  const { symlinkSync } = await import("node:fs");
  symlinkSync("/dev/full", join(folder, "run.json.tmp"));
  await expect(runFolder.record("stage-1", [stage], undefined)).rejects.toMatchObject({
    code: "OUTPUT",
    message: expect.stringMatching(/the disk is full; free some space/) as string,
  });
  expect(readFileSync(join(folder, "run.json"), "utf8")).toBe(before);
});
