/** What an image says, and drawing it again, on the tiny checkpoints with the built program. */

import { createHash } from "node:crypto";
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { readImage } from "../../src/image/read-image.ts";
import { encodePng } from "../../src/image/write-png.ts";
import { goldenPath, storedVariant } from "../golden.ts";
import { smallModel } from "../small-model.ts";
import { type CliRun, runCli, temporaryFolder } from "./run-cli.ts";

vi.setConfig({ testTimeout: 300_000 });

const tiny = ["-m", smallModel(), "--variant", storedVariant, "--until", "64", "--stage-1-steps", "2"];
const drawing = [...tiny, "--safety", "off", "--execution-provider", "cpu", "--ram-budget", "4GB"];
const budget = ["--ram-budget", "4GB"];
const photo = goldenPath("image", "inputs", "photo_75x50.jpg");

const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

async function ran(args: readonly string[], cwd: string): Promise<CliRun> {
  const run = await runCli(args, { cwd });
  expect(run.stderr).not.toMatch(/error/i);
  expect(run.code).toBe(0);
  return run;
}

const paints = (text: string): boolean => ["\u001b", "\u0007", "\u202e"].some((sign) => text.includes(sign));

const pixelsOf = async (path: string): Promise<Buffer> => Buffer.from((await readImage(path)).data);

test("an image is drawn again from itself; what is typed takes its place; a JPEG says the same", async () => {
  const cwd = temporaryFolder();
  await ran(["txt2img", "a {red|blue} cat", "-n", "blurry", "-s", "7", ...drawing, "-o", "a.png"], cwd);
  await ran(["txt2img", "--from-image", "a.png", ...budget, "-o", "b.jpg"], cwd);
  await ran(["txt2img", "--from-image", "b.jpg", ...budget, "-o", "c.png"], cwd);
  expect(await pixelsOf(join(cwd, "c.png"))).toEqual(await pixelsOf(join(cwd, "a.png")));
  const shown = await ran(["show", "b.jpg"], cwd);
  expect(shown.stdout.toString()).toMatch(/^program: +if-gen .*\n(.*\n)*prompt: +a \{red\|blue\} cat\n/);
  const typed = ["--stage-1-steps", "1", "a dog", ...budget];
  const planned = await ran(["txt2img", "--from-image", "a.png", ...typed, "--dry-run", "--json"], cwd);
  expect(JSON.parse(planned.stdout.toString())).toMatchObject({
    jobs: [{ prompt: "a dog", negativePrompt: "blurry", seed: 7 }],
    stages: [{}, { steps: 1 }],
  });
  const refused = await runCli(["img2img", "--from-image", "a.png", "-o", "e.png"], { cwd });
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("if-gen txt2img --from-image a.png")]);
});

test("what it was drawn from has to be there, and the same; a batch draws it again too", async () => {
  const cwd = temporaryFolder();
  copyFileSync(photo, join(cwd, "in.jpg"));
  const rect = ["--mask-rect", "10,10,30,30", "-s", "3"];
  await ran(["inpaint", "a cat", "-i", "in.jpg", ...rect, ...drawing, "-o", "a.png"], cwd);
  expect((await ran(["show", "a.png"], cwd)).stdout.toString()).toContain(`in.jpg (sha256 ${sha256(photo)})`);
  mkdirSync(join(cwd, "moved"));
  for (const name of ["a.png", "in.jpg"]) renameSync(join(cwd, name), join(cwd, "moved", name));
  writeFileSync(
    join(cwd, "jobs.jsonl"),
    '{"from-image": "moved/a.png", "output": "b.png"}\n{"from-image": "none.png"}\n',
  );
  const batch = await runCli(["batch", "jobs.jsonl", "--output-dir", "out", ...budget], { cwd });
  expect([batch.code, batch.stderr]).toEqual([
    10,
    expect.stringContaining("none.png cannot be read: there is no such"),
  ]);
  expect(await pixelsOf(join(cwd, "out", "b.png"))).toEqual(await pixelsOf(join(cwd, "moved", "a.png")));
  appendFileSync(join(cwd, "moved", "in.jpg"), "x");
  const changed = await runCli(["inpaint", "--from-image", "moved/a.png", "-o", "c.png"], { cwd });
  expect([changed.code, changed.stderr]).toEqual([
    5,
    expect.stringContaining("moved/in.jpg is another file than the image that moved/a.png was drawn from"),
  ]);
});

describe("images of others", () => {
  const pixel = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 } as const;

  test("what would paint on a terminal is shown as what it is; it is not drawn", async () => {
    const cwd = temporaryFolder();
    const parameters = "a \u001b[31mcat\u202e\nsecond line\nSteps: 20, Seed: 1, Size: 8x8, \u001b]0;x\u0007: y";
    writeFileSync(join(cwd, "a.png"), await encodePng(pixel, new Map([["parameters", parameters]])));
    const { stdout } = await ran(["show", "a.png"], cwd);
    expect(paints(stdout.toString())).toBe(false);
    expect(stdout.toString()).toContain("prompt:          a \\u{1b}[31mcat\\u{202e}\\u{a}second line\n");
    const json = (await ran(["show", "--json", "a.png"], cwd)).stdout.toString();
    expect(paints(json)).toBe(false);
    expect(JSON.parse(json)).toMatchObject({ prompt: "a \u001b[31mcat\u202e\nsecond line", seed: 1, steps: 20 });
    const repeated = await runCli(["txt2img", "--from-image", "a.png"], { cwd });
    expect([repeated.code, repeated.stderr]).toEqual([
      5,
      expect.stringContaining("was made with AUTOMATIC1111's web UI"),
    ]);
  });

  test("an image that says nothing", async () => {
    const { code, stderr } = await runCli(["show", photo]);
    expect([code, stderr]).toEqual([5, expect.stringContaining("does not say how it was made")]);
  });
});
