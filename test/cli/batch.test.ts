/** The batch command as its users type it: on the tiny checkpoints, with the built program. */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { readImage } from "../../src/image/read-image.ts";
import { storedVariant } from "../golden.ts";
import { smallModel } from "../small-model.ts";
import { eventSchema } from "../../src/cli/event-schema.ts";
import { entriesOf } from "../run/batch/manifest-file.ts";
import { eventsOf, type CliRun, finish, runCli, startCli, temporaryFolder } from "./run-cli.ts";

vi.setConfig({ testTimeout: 300_000 }); // each stage is a process, and these are dozens

const tiny = ["-m", smallModel(), "--variant", storedVariant, "--until", "64", "--stage-1-steps", "2"];
const options = [...tiny, "--safety", "off", "--execution-provider", "cpu", "--ram-budget", "4GB"];
const words = (jobs: string, folder: string, ...more: string[]): string[] => [
  "batch",
  jobs,
  "--output-dir",
  folder,
  ...options,
  ...more,
];

function jobsFile(...lines: (string | object)[]): string {
  const file = join(temporaryFolder(), "jobs.jsonl");
  writeFileSync(file, lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join(""));
  return file;
}

const imagesOf = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .filter((name) => name.endsWith(".png"))
      .toSorted()
      .map((name) => [
        name,
        createHash("sha256")
          .update(readFileSync(join(folder, name)))
          .digest("hex"),
      ]),
  );

/** @returns a stage's process, once two workers have one each. */
async function stageOf(pid: number): Promise<number> {
  for (;;) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    if (children.length >= 2) return Number(children[0]);
    await delay(20);
  }
}

async function batch(jobs: string, folder: string, ...more: string[]): Promise<CliRun> {
  return runCli(words(jobs, folder, ...more));
}

describe("a file of jobs", () => {
  test("each image is what a run of its own draws; the manifest says how; nothing else is left", async () => {
    const folder = join(temporaryFolder(), "out");
    const jobs = jobsFile(
      { prompt: "a {cat|dog}", seed: 3 },
      { prompt: "a cat", seed: 4, "stage-1-steps": 3, output: "three.png" },
      { prompt: "a cat", seeds: "5..6", negativePrompt: "a dog", numImages: 2 },
    );
    const { code, stderr } = await batch(jobs, folder);
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("5 drawn, 0 failed") as string });
    const images = imagesOf(folder);
    expect(Object.keys(images)).toEqual([
      "000001-a-cat.png",
      "000002-a-dog.png",
      "000004-a-cat-1.png",
      "000004-a-cat-2.png",
      "000005-a-cat-1.png",
      "000005-a-cat-2.png",
      "three.png",
    ]);
    const alone = temporaryFolder();
    const draw = (...given: string[]) =>
      runCli(["txt2img", ...given, ...options, "-o", join(alone, "x.png"), "--overwrite"]);
    await draw("a dog", "--seed", "3");
    expect(imagesOf(alone)["x.png"]).toBe(images["000002-a-dog.png"]);
    const three = options.map((word, index) => (options[index - 1] === "--stage-1-steps" ? "3" : word));
    const { code: second } = await runCli(
      ["txt2img", "a cat", "--seed", "4", "-o", join(alone, "x.png"), "--overwrite"].concat(three),
    );
    expect(second).toBe(0);
    expect(imagesOf(alone)["x.png"]).toBe(images["three.png"]);

    const entries = await entriesOf(folder);
    expect(entries.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
    for (const { files, status, request, seconds, stages } of entries) {
      expect(status).toBe("drawn");
      for (const { path, sha256 } of files) expect(images[path]).toBe(sha256);
      expect(Object.keys(seconds ?? {})).toEqual(["text-encoding", "stage-1"]);
      expect(stages).toHaveLength(2);
      expect(request?.until).toBe(64);
    }
    expect(readdirSync(folder).toSorted()).toEqual([".if-gen", ...Object.keys(images), "manifest.jsonl"].toSorted());
    expect(readdirSync(join(folder, ".if-gen", "work"))).toEqual([]);
  });

  test("bad jobs fail alone, with their line; --resume does what is left, and nothing twice", async () => {
    const folder = join(temporaryFolder(), "out");
    const missing = join(temporaryFolder(), "later.png");
    const jobs = jobsFile(
      { prompt: "a cat", seed: 1 },
      { prompt: "a cat", "stage-1-stepz": 4 },
      "no json",
      { prompt: "a cat", image: missing, seed: 2 },
      { prompt: "a cat", seed: 1, output: "000001-a-cat.png" },
    );
    const first = await batch(jobs, folder);
    expect(first.code).toBe(10);
    for (const sentence of [
      /job 2 \(line 2\) failed: there is no option stage1Stepz; did you mean stage1Steps\? \[USAGE\]/,
      /job 3 \(line 3\) failed: this is no JSON object/,
      /job 4 \(line 4\) failed: .*later\.png cannot be read: there is no such file\. \[INPUT_IMAGE\]/,
      /job 5 \(line 5\) failed: its image would be 000001-a-cat\.png, but job 1 writes it too/,
    ]) {
      expect(first.stderr).toMatch(sentence);
    }
    expect(Object.keys(imagesOf(folder))).toEqual(["000001-a-cat.png"]);
    const again = await batch(jobs, folder);
    expect(again).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/holds a batch already; add --resume/) as string,
    });
    const before = imagesOf(folder);
    writeFileSync(missing, readFileSync(join(folder, "000001-a-cat.png")));
    const resumed = await batch(jobs, folder, "--resume");
    expect(resumed.code).toBe(10);
    expect(resumed.stderr).toMatch(/1 drawn, 1 drawn before, 3 failed/);
    expect(imagesOf(folder)).toMatchObject(before);
    expect(Object.keys(imagesOf(folder))).toHaveLength(2);
    const drawn = (await entriesOf(folder)).filter(({ status }) => status === "drawn");
    expect(drawn.map(({ index }) => index)).toEqual([1, 4]);
  });

  test("nothing but bad jobs, the first of them with --fail-fast, and what cannot be meant", async () => {
    const folder = temporaryFolder();
    const bad = jobsFile({ promt: "a" }, { seed: 0.5, prompt: "b" });
    expect((await batch(bad, join(folder, "a"))).code).toBe(11);
    const fast = await batch(bad, join(folder, "b"), "--fail-fast");
    expect(fast).toMatchObject({ code: 2, stderr: expect.not.stringContaining("line 2") as string });
    const refused: [string[], RegExp][] = [
      [["batch"], /no folder is given for the images/],
      [["batch", "-d", folder], /no file of jobs is given/],
      [["batch", join(folder, "none.txt"), "-d", folder], /none\.txt, the file of jobs, does not exist/],
      [["batch", bad, "-d", folder, "--output-name", "{indx}"], /did you mean \{index\}\?/],
      [["batch", bad, "-d", folder, "--seeds", "4..1"], /is no seed and no range/],
      [["batch", bad, "-d", folder, "--shard", "3/2"], /It must be i\/n|it must be i\/n/],
      [["batch", bad, "-d", folder, "--devices", "x"], /numbers of GPUs, or cpu/],
    ];
    for (const [args, sentence] of refused) {
      expect(await runCli(args), args.join(" ")).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(sentence) as string,
      });
    }
    expect(await batch(bad, join(folder, "c"), "--dry-run")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /line 1: there is no option promt; did you mean prompt\?[^]*2 of 2 jobs cannot be drawn/,
      ) as string,
    });
  });

  test("prompts from standard input; events as JSON, one a line", async () => {
    const folder = join(temporaryFolder(), "out");
    const child = startCli(words("-", folder, "--seeds", "1,2", "--json", "-q"), {
      prefix: ["sh", "-c", 'printf "a cat\\n" | exec "$@"', "sh"],
    });
    const { code, stdout, stderr } = await finish(child);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const events = eventsOf({ stdout });
    for (const event of events) expect(eventSchema.safeParse(event).error).toBeUndefined();
    expect(events.find(({ type }) => type === "plan")).toMatchObject({ worker: 1, jobs: 2 });
    const results = events.filter(({ type }) => type === "result");
    expect(results).toMatchObject([1, 2].map((seed) => ({ job: seed, line: 1, prompt: "a cat", seed })));
    expect(results.flatMap(({ outputs }) => outputs).every((path) => existsSync(path as string))).toBe(true);
    expect(events.at(-1)).toMatchObject({ type: "done", drawn: 2, failed: 0, skipped: 0 });
  });
});

describe("ends at any moment", () => {
  const lines = Array.from({ length: 5 }, (_, index) => ({ prompt: `a cat ${index}` })); // without seeds: the batch gives them
  const chunk = ["--chunk", "2"];

  test("killed again and again, and gone on with: every job once, the files of a batch that was left alone", async () => {
    const jobs = jobsFile(...lines);
    const folder = join(temporaryFolder(), "out");
    for (let kill = 0; kill < 3; kill++) {
      const child = startCli(words(jobs, folder, ...chunk, ...(kill > 0 ? ["--resume"] : [])));
      const ended = finish(child);
      await delay(900 + 900 * kill);
      if (child.exitCode === null) process.kill(-child.pid!, "SIGKILL");
      await ended;
    }
    const { code } = await batch(jobs, folder, ...chunk, "--resume");
    expect(code).toBe(0);
    const drawn = (await entriesOf(folder)).filter(({ status }) => status === "drawn");
    expect(drawn.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
    // the same batch, left alone: its random seed is the other one's
    const other = join(temporaryFolder(), "out");
    const seeded = jobsFile(
      ...drawn
        .toSorted((a, b) => a.index - b.index)
        .map(({ request }) => ({ prompt: request!.prompt, seed: request!.seed })),
    );
    expect((await batch(seeded, other, ...chunk)).code).toBe(0);
    expect(imagesOf(folder)).toEqual(imagesOf(other));
    expect(existsSync(join(folder, ".if-gen", "work", "run.lock"))).toBe(false);
  });

  test("killed between placing images and saying so: they are found, also by other workers and with other chunks", async () => {
    const jobs = jobsFile(...lines.slice(0, 3));
    const folder = join(temporaryFolder(), "out");
    expect((await batch(jobs, folder, "--devices", "cpu,cpu")).code).toBe(0);
    const before = imagesOf(folder);
    const manifest = join(folder, "manifest.jsonl");
    writeFileSync(manifest, `${readFileSync(manifest, "utf8").split("\n")[0]}\n`);
    mkdirSync(join(folder, ".if-gen", "work", "-1"));
    expect(await batch(jobs, folder, "--resume")).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("2 drawn, 1 drawn before, 0 failed") as string,
    });
    expect(imagesOf(folder)).toEqual(before);
    const entries = await entriesOf(folder);
    expect(entries.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
    for (const { files } of entries) for (const { path, sha256 } of files) expect(before[path]).toBe(sha256);
    expect(readdirSync(join(folder, ".if-gen", "work"))).toEqual([]);
  });

  test("asked to end: 143, and --resume goes on", async () => {
    const jobs = jobsFile(...lines);
    const folder = join(temporaryFolder(), "out");
    const child = startCli(words(jobs, folder, ...chunk, "--keep-alive"));
    const ended = finish(child);
    while ((await entriesOf(folder)).length === 0) await delay(100);
    child.kill("SIGTERM");
    const { code, stderr } = await ended;
    expect({ code, stderr }).toMatchObject({
      code: 143,
      stderr: expect.stringMatching(/go on with --resume/) as string,
    });
    const before = (await entriesOf(folder)).length;
    expect(before).toBeLessThan(5);
    expect((await batch(jobs, folder, ...chunk, "--resume")).stderr).toMatch(
      `${5 - before} drawn, ${before} drawn before`,
    );
  });
});

describe("several processes", () => {
  test("shards by option and by what Slurm says: together all jobs, merged", async () => {
    const jobs = jobsFile(...Array.from({ length: 5 }, (_, seed) => ({ prompt: "a cat", seed })));
    const folder = join(temporaryFolder(), "out");
    expect((await batch(jobs, folder, "--shard", "1/2")).code).toBe(0);
    expect(await runCli(["batch", "--merge", "-d", folder])).toMatchObject({
      code: 10,
      stderr: expect.stringMatching(/these shards have no manifest .*: 2\/2/) as string,
    });
    const slurm = { SLURM_ARRAY_TASK_ID: "11", SLURM_ARRAY_TASK_MIN: "10", SLURM_ARRAY_TASK_COUNT: "2" };
    expect((await runCli(words(jobs, folder), { env: slurm })).code).toBe(0);
    expect((await runCli(["batch", "--merge", "-d", folder])).code).toBe(0);
    expect((await entriesOf(folder)).map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
    const whole = join(temporaryFolder(), "out");
    await batch(jobs, whole);
    expect(imagesOf(folder)).toEqual(imagesOf(whole));
  });

  test("two workers on the CPU draw what one does, also if one's process is killed; one folder is one process's", async () => {
    const jobs = jobsFile(...Array.from({ length: 4 }, (_, seed) => ({ prompt: "a cat", seed })));
    const [one, two] = [join(temporaryFolder(), "out"), join(temporaryFolder(), "out")];
    const running = startCli(words(jobs, two, "--devices", "cpu,cpu", "--chunk", "1", "--keep-alive"));
    const ended = finish(running);
    process.kill(await stageOf(running.pid!), "SIGKILL");
    while (!existsSync(join(two, "manifest.jsonl"))) await delay(50);
    expect(await batch(jobs, two, "--resume")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/another process \(\d+\) is running/) as string,
    });
    expect((await ended).code).toBe(0);
    await batch(jobs, one);
    const pixels = (folder: string) =>
      Promise.all(
        Object.keys(imagesOf(folder)).map(async (name) => [name, (await readImage(join(folder, name))).data]),
      );
    expect(await pixels(two)).toEqual(await pixels(one));
    expect(
      (await entriesOf(two)).filter(({ notes = [] }) => notes.some((note) => note.includes("Another worker did"))),
    ).toEqual([expect.objectContaining({ status: "drawn" })]);
  });

  test("a GPU that is not there is said before anything is drawn", async () => {
    const folder = join(temporaryFolder(), "out");
    const run = await batch(jobsFile({ prompt: "a cat" }), folder, "--devices", "200", "--execution-provider", "cuda");
    expect(run.code).toBeGreaterThan(0);
    expect(existsSync(folder) ? Object.keys(imagesOf(folder)) : []).toEqual([]);
    rmSync(folder, { recursive: true, force: true });
  });
});
