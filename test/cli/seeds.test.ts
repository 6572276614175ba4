/** Several seeds in one run, on the tiny checkpoints. */

import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { smallModel } from "../small-model.ts";
import { eventsOf, runCli, temporaryFolder } from "./run-cli.ts";

vi.setConfig({ testTimeout: 300_000 }); // each stage is a process

const words = ["txt2img", "a cat", "--model", smallModel(), "--execution-provider", "cpu"];
const short = [...words, "--until", "64", "--stage-1-steps", "1", "--safety", "off"];

test("each is the image of a run of its own, named by its seed; the run goes on where files are missing", async () => {
  const folder = temporaryFolder();
  const run = await runCli([...short, "--seed", "3,7-8", "-o", "cat.png", "--json", "--run-dir", "run"], {
    cwd: folder,
  });
  expect(run.code).toBe(0);
  expect(readdirSync(folder).sort()).toEqual(["cat-3.png", "cat-7.png", "cat-8.png", "run"]);
  const results = eventsOf(run).filter(({ type }) => type === "result") as { seed: number; outputs: string[] }[];
  expect(results.map(({ seed, outputs }) => [seed, ...outputs])).toEqual([3, 7, 8].map((n) => [n, `cat-${n}.png`]));
  expect(run.stderr).toMatch(/jobs 1 to 3 of 3 .*denoising 1\/1/);
  const bytes = readFileSync(join(folder, "cat-7.png"));
  const alone = await runCli([...short, "--seed", "7", "-o", "alone.png"], { cwd: folder });
  expect(alone.code).toBe(0);
  expect(readFileSync(join(folder, "alone.png")).equals(bytes)).toBe(true);

  rmSync(join(folder, "cat-7.png"));
  const resumed = await runCli(["txt2img", "--run-dir", "run", "--resume", "-o", "cat.png"], { cwd: folder });
  expect(resumed.code).toBe(0);
  expect(readFileSync(join(folder, "cat-7.png")).equals(bytes)).toBe(true);
});

test("what is for one drawing alone is refused", async () => {
  const refused = async (...more: string[]): Promise<string> => {
    const { code, stderr } = await runCli([...short, "--seed", "1,2", ...more], { cwd: temporaryFolder() });
    expect(code).toBe(2);
    return stderr;
  };
  expect(await refused("-o", "-")).toMatch(/takes one image/);
  expect(await refused("--save-stages", "stages")).toMatch(/one drawing; give one seed/);
});
