/**
 * Disks that are full and folders that cannot be written to, met by the built program on the tiny checkpoints. A full disk
 * is a limit on the size of a file (`ulimit -f`), which any user can set: writing fails in the same place. A folder is made
 * read-only, and root is run without the right to write there nevertheless.
 */

import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { goldenSampleSize } from "../golden.ts";
import { smallModel } from "../small-model.ts";
import { type CliRun, finish, runCli, startCli, temporaryFolder } from "./run-cli.ts";

const settings = ["--model", smallModel(), "--seed", "7", "--until", "256", "--execution-provider", "cpu", "--quiet"];
const args = ["txt2img", "a cat", ...settings, "--stage-1-steps", "2", "--stage-2-steps", "2"];

/** No file may become larger than stage 2's values: more than all before, less than its result, which has a header too. */
const LIMIT_BYTES = 3 * 4 * goldenSampleSize("if-ii") ** 2;

/** POSIX counts in blocks of 512 bytes. */
const limited = (words: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<CliRun> =>
  finish(startCli(words, { cwd, env, prefix: ["sh", "-c", `ulimit -f ${LIMIT_BYTES / 512}; exec "$@"`, "sh"] }));

describe.skipIf(process.platform === "win32")("a disk without room", () => {
  test("for a stage's result: one sentence, the stages before it are kept, --resume ends as an unbroken run", async () => {
    const folder = temporaryFolder();
    expect(await runCli([...args, "-o", "whole.png"], { cwd: folder })).toMatchObject({ code: 0, stderr: "" });
    const command = [...args, "-o", "cat.png", "--run-dir", "run", "--resume"];
    const full = await limited(command, folder);
    expect(full.code).toBe(6);
    expect(full.stderr).toMatch(
      /^[^\n]*run\/job-1\/stage-2\.safetensors cannot be written: it is larger than the disk[^\n]*\n$/,
    );
    expect(existsSync(join(folder, "cat.png"))).toBe(false);
    const stage1 = join(folder, "run", "job-1", "stage-1.safetensors");
    expect(readdirSync(join(folder, "run")).sort()).toEqual(["job-1", "run.json"]);
    expect(readdirSync(dirname(stage1)).sort()).toEqual([
      "negative_prompt_embeds.safetensors",
      "prompt_embeds.safetensors",
      "stage-1.safetensors",
    ]);
    const before = readFileSync(stage1);
    expect(await runCli(command, { cwd: folder })).toMatchObject({ code: 0, stderr: "" });
    expect(readFileSync(stage1).equals(before)).toBe(true);
    expect(readFileSync(join(folder, "cat.png")).equals(readFileSync(join(folder, "whole.png")))).toBe(true);
  });

  test.each(["4", "8"])(
    "for T5's weights in %s bits: one sentence, nothing is left, the next run makes them",
    async (bits) => {
      const folder = temporaryFolder();
      const cache = join(folder, "cache");
      const env = { XDG_CACHE_HOME: cache };
      const model = bits === "8" ? floatModel(folder) : smallModel();
      const command = [...args, "--model", model, "--until", "64", "--text-encoder-bits", bits, "-o", "cat.png"];
      const full = await limited(command, folder, env);
      expect(full.code).toBe(6);
      const sentence =
        /^[^\n]*quantised weights cannot be kept in [^\n]*text-encoder \(XDG_CACHE_HOME sets it\): it is larger[^\n]*\n$/;
      expect(full.stderr).toMatch(sentence);
      expect(readdirSync(join(cache, "if-gen", "text-encoder"))).toEqual([]);
      expect(existsSync(join(folder, "cat.png"))).toBe(false);
      expect(await runCli(command, { cwd: folder, env })).toMatchObject({ code: 0, stderr: "" });
      const [kept = ""] = readdirSync(join(cache, "if-gen", "text-encoder"));
      const weights = readdirSync(join(cache, "if-gen", "text-encoder", kept)).filter((name) =>
        name.endsWith("tensors"),
      );
      expect(weights).toEqual([bits === "8" ? "model.8bit.safetensors" : "model.safetensors"]);
    },
  );
});

/** Permissions stop root only without its capabilities; it keeps its name, so every folder stays within reach. */
const isRoot = process.getuid?.() === 0;
const prefix = isRoot ? ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] : [];
const canDrop = !isRoot || spawnSync(prefix[0] ?? "", [...prefix.slice(1), "true"]).status === 0;

describe.skipIf(process.platform === "win32" || !canDrop)("a folder that cannot be written to", () => {
  function foldersOf(): { folder: string; run: string } {
    const folder = temporaryFolder();
    const run = join(folder, "run");
    mkdirSync(run);
    onTestFinished(() => chmodSync(run, 0o700));
    return { folder, run };
  }
  const command = [...args, "--until", "64", "-o", "cat.png", "--run-dir", "run", "--resume"];

  test("from the start, or when a run is gone on with: one sentence, and the run goes on once it can", async () => {
    const { folder, run } = foldersOf();
    const env = { HOME: folder };
    expect(await runCli(command, { cwd: folder, env, prefix })).toMatchObject({ code: 0 });
    const kept = readdirSync(run).sort();
    chmodSync(run, 0o500);
    const refused = await runCli(command, { cwd: folder, env, prefix });
    expect(refused.code).toBe(6);
    expect(refused.stderr).toMatch(
      /^[^\n]*the run folder [^\n]*run cannot be written to: permission denied; choose[^\n]*\n$/,
    );
    expect(readdirSync(run).sort()).toEqual(kept);
    chmodSync(run, 0o700);
    expect(await runCli(command, { cwd: folder, env, prefix })).toMatchObject({ code: 0, stderr: "" });
  });

  test.each([
    [
      "a job's folder",
      "job-1",
      /run\/job-1\/stage-1\.safetensors cannot be written: permission denied; choose another folder\./,
    ],
    [
      "the run's folder",
      ".",
      /the run folder [^\n]*run cannot be written to: permission denied; choose another folder\./,
    ],
  ])("while a stage runs, %s: one sentence, what was finished before is kept", async (_, place, says) => {
    const { folder, run } = foldersOf();
    const closed = join(run, place);
    onTestFinished(() => (existsSync(closed) ? chmodSync(closed, 0o700) : undefined));
    const settings = { cwd: folder, env: { HOME: folder }, prefix };
    const words = [...command.filter((word) => word !== "--quiet"), "--stage-1-steps", "40"];
    const running = startCli(words, settings);
    const manifest = join(run, "run.json");
    const watching = setInterval(() => {
      if (!existsSync(manifest) || !readFileSync(manifest, "utf8").includes("text-encoding")) return;
      clearInterval(watching); // the text is encoded and recorded, and stage 1 begins
      chmodSync(closed, 0o500);
    }, 10);
    const refused = await finish(running);
    expect(refused.code).toBe(6);
    expect(refused.stderr).toMatch(says);
    chmodSync(closed, 0o700);
    const { finished } = JSON.parse(readFileSync(manifest, "utf8")) as { finished: { stage: string }[] };
    expect(finished.map(({ stage }) => stage)).toEqual(["text-encoding"]);
    const names = ["negative_prompt_embeds.safetensors", "prompt_embeds.safetensors"];
    expect(readdirSync(join(run, "job-1"))).toEqual(expect.arrayContaining(names));
    expect(await runCli([...words, "--quiet"], settings)).toMatchObject({ code: 0, stderr: "" });
    expect(readdirSync(run).sort()).toEqual(["job-1", "run.json"]);
  });
});

/** The tiny checkpoints without T5's 8-bit file. */
function floatModel(folder: string): string {
  const model = join(folder, "model");
  cpSync(smallModel(), model, { recursive: true, filter: (path) => !path.endsWith("8bit.safetensors") });
  return model;
}
