/**
 * Requests -> images, on the tiny checkpoints with the built program: what is drawn together is what is drawn alone, byte for
 * byte.
 */

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { parseParameters } from "../../src/image/parameters.ts";
import { parsePngText } from "../../src/image/png-text.ts";
import { readImage } from "../../src/image/read-image.ts";
import type { Request } from "../../src/plan/request.ts";
import type { DrawnJob } from "../../src/run/draw.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { goldenPath, goldenSampleSize } from "../golden.ts";
import { draw, hashesOf, record, workOf } from "./draw-tiny.ts";
import { tinyRequest, tinyUntil, withScheduler } from "./tiny-cascade.ts";

vi.setConfig({ testTimeout: 300_000 }); // each stage is a process, and these are dozens

/** Each request in a run of its own. The later ones of a batch tell: what a first one left behind would change them. */
async function drawAlone(requests: readonly Request[]): Promise<DrawnJob[]> {
  const jobs: DrawnJob[] = [];
  for (const request of requests) jobs.push(...(await draw([request])));
  return jobs;
}

const settingsOf = (png: Uint8Array | undefined): Record<string, string> => {
  const text = parsePngText(Buffer.from(png ?? [])).get("parameters") ?? "";
  return Object.fromEntries(parseParameters(text).settings);
};
const input = (name: string): string => goldenPath("image", "inputs", name);

describe("several requests give what each gives alone", () => {
  test("txt2img: other prompts, negative prompts and seeds, two images each, looked at by the safety checker", async () => {
    const base: Request = { ...tinyUntil(256), numImages: 2, safety: "black" };
    const requests: Request[] = [
      { ...base, prompt: "a cat", negativePrompt: "blue", seed: 1 },
      { ...base, prompt: "a dog on a table", negativePrompt: "a cat", seed: 4_000_000_000 },
    ];
    const { events, onEvent } = record();
    const together = await draw(requests, { onEvent });
    const alone = await drawAlone(requests);
    expect(hashesOf(together)).toEqual(hashesOf(alone));
    expect(new Set(hashesOf(together).flat()).size).toBe(4);
    expect(together.map(({ safety }) => safety)).toEqual(alone.map(({ safety }) => safety));
    expect(together.map(({ request }) => request)).toEqual(requests);
    expect(events.filter(({ type }) => type === "plan")).toMatchObject([{ jobs: [0, 1] }]);
    expect(events.flatMap((event) => (event.type === "stage" ? [event.stage] : []))).toEqual([
      "text-encoding",
      "stage-1",
      "stage-2",
      "safety",
    ]);
    expect(events.flatMap((event) => (event.type === "job" ? [event.job] : []))).toEqual([0, 1]);
    expect(settingsOf(together[1]?.images[1]?.png)).toMatchObject({ Seed: "4000000000", "Batch pos": "1" });
  });

  test("the whole cascade, with noise of DDIM's own in stage 3", async () => {
    const base: Request = { ...tinyUntil(1024), eta: 0.5 };
    const requests: Request[] = [
      { ...base, prompt: "a cat", seed: 3 },
      { ...base, prompt: "a dog", negativePrompt: "red", seed: 3 },
    ];
    const together = await draw(requests);
    expect(hashesOf(together.slice(1))).toEqual(hashesOf(await drawAlone(requests.slice(1))));
    const side = 4 * goldenSampleSize("if-ii");
    expect(together.map(({ images }) => images.map(({ width, height }) => [width, height]))).toEqual(
      requests.map(() => [[side, side]]),
    );
  });

  test("img2img: images of one size in one plan, of another size in another", async () => {
    const from = (name: string, prompt: string): Request => ({
      ...tinyUntil(256),
      stages: { "stage-1": { steps: 3 }, "stage-2": { steps: 3 } },
      command: "img2img",
      prompt,
      start: { image: input(name), pasteBack: false },
    });
    const requests = [from("wide_144x72.png", "a"), from("square_64x64.png", "b"), from("mask_144x72.png", "a")];
    const { events, onEvent } = record();
    const together = await draw(requests, { onEvent });
    expect(hashesOf(together.slice(2))).toEqual(hashesOf(await drawAlone(requests.slice(2)))); // drawn together with the first
    expect(new Set(hashesOf(together).flat()).size).toBe(3);
    expect(events.filter(({ type }) => type === "plan")).toMatchObject([{ jobs: [0, 2] }, { jobs: [1] }]);
  });

  test("inpaint: other masks, and the original put back for who wants it", async () => {
    const painted = (x: number, pasteBack: boolean): Request => ({
      ...tinyRequest,
      command: "inpaint",
      start: {
        image: input("square_64x64.png"),
        mask: { shapes: [{ kind: "rectangle", x, y: 0, width: 32, height: 64 }], invert: false },
        pasteBack,
      },
    });
    const requests = [painted(0, true), painted(32, true), painted(0, false)];
    const { events, onEvent } = record();
    const together = await draw(requests, { onEvent });
    expect(hashesOf(together.slice(1))).toEqual(hashesOf(await drawAlone(requests.slice(1))));
    expect(new Set(hashesOf(together).flat()).size).toBe(3);
    expect(events.filter(({ type }) => type === "plan")).toHaveLength(1);
  });

  test("a scheduler that remembers its steps begins anew with each job, and the PNG names it", async () => {
    const model = await withScheduler(temporaryFolder(), "DPMSolverMultistepScheduler");
    const base: Request = { ...tinyRequest, model, stages: { "stage-1": { steps: 4 } } };
    const requests: Request[] = [base, { ...base, seed: 2 }];
    const together = await draw(requests);
    expect(hashesOf(together.slice(1))).toEqual(hashesOf(await drawAlone(requests.slice(1))));
    for (const { images } of together) {
      expect(settingsOf(images[0]?.png)).toMatchObject({ Steps: "4", Sampler: "DPM++ 2M" });
    }
    expect(settingsOf((await draw([tinyRequest]))[0]?.images[0]?.png)).toMatchObject({ Sampler: "DDPM" });
  });
});

describe("requests with other settings", () => {
  test("become several plans, and come back in their order, each at its place", async () => {
    const folder = temporaryFolder();
    const requests: Request[] = [
      tinyRequest,
      { ...tinyRequest, stages: { "stage-1": { steps: 3 } } },
      { ...tinyRequest, seed: 2, prompt: `${"a very long prompt ".repeat(60)}at its end` },
    ];
    const outputs = ["one", "two", "three"].map((name) => [join(folder, `${name}.png`)]);
    const { events, onEvent } = record();
    const jobs = await draw(requests, { outputs, onEvent });
    expect(events.filter(({ type }) => type === "plan")).toMatchObject([{ jobs: [0, 2] }, { jobs: [1] }]);
    expect(jobs.map(({ images }) => images.map(({ path }) => path))).toEqual(outputs);
    const drawn = outputs.map(([path = ""]) => readFileSync(path));
    expect(drawn.map((png) => settingsOf(png)["Steps"])).toEqual(["2", "3", "2"]);
    expect(drawn.map((png) => settingsOf(png)["Seed"])).toEqual(["1", "1", "2"]);
    const isCut = (note: string): boolean => /longer than T5's 77 tokens/.test(note);
    expect(jobs.map(({ notes }) => notes.some(isCut))).toEqual([false, false, true]);
    const said = events.filter((event) => event.type === "note" && isCut(event.text));
    expect(said).toMatchObject([{ job: 2 }]);
  });
});

describe("what is returned", () => {
  test("a file's bytes and, if asked for, the pixels in it; nothing stays in the temporary folder", async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith("if-gen-"));
    const [job] = await draw([{ ...tinyRequest, numImages: 2 }], { pixels: true });
    const folder = temporaryFolder();
    for (const [index, { png, pixels, width, height }] of (job?.images ?? []).entries()) {
      const file = join(folder, `${index}.png`);
      writeFileSync(file, png ?? "");
      const image = await readImage(file);
      expect([image.width, image.height]).toEqual([width, height]);
      expect(Buffer.compare(Buffer.from(image.data), Buffer.from(pixels ?? []))).toBe(0);
    }
    const processMark = `-${process.pid}-`;
    const left = readdirSync(tmpdir()).filter((name) => name.startsWith("if-gen-") && name.includes(processMark));
    expect(left.filter((name) => !before.includes(name))).toEqual([]);
    expect([...(job?.stageMs ?? [])].map(([name, milliseconds]) => [name, milliseconds > 0])).toEqual([
      ["text-encoding", true],
      ["stage-1", true],
    ]);
  });

  test("previews after every so many steps, of each job, also where jobs are drawn at once", async () => {
    const { events, onEvent } = record();
    const stages = { "stage-1": { steps: 4 } };
    await draw(
      [
        { ...tinyRequest, stages },
        { ...tinyRequest, stages, seed: 2 },
      ],
      { previewEvery: 2, onEvent },
    );
    const steps = events.flatMap((event) => (event.type === "step" && event.stage === "stage-1" ? [event] : []));
    const side = goldenSampleSize("if-i");
    const seen = steps
      .flatMap(({ job, step, preview }) => (preview ? [{ job, step, preview }] : []))
      .toSorted((a, b) => a.job - b.job || a.step - b.step);
    expect(seen.map(({ job, step }) => [job, step])).toEqual([
      [0, 2],
      [0, 4],
      [1, 2],
      [1, 4],
    ]);
    for (const { preview } of seen) {
      expect([preview.width, preview.height]).toEqual([side, side]);
      expect(Buffer.from(preview.rgb, "base64")).toHaveLength(3 * side * side);
    }
    expect(seen[0]?.preview.rgb).not.toBe(seen[2]?.preview.rgb);
  });

  test("a stage that is too large ends the run before anything is drawn", async () => {
    const { events, onEvent } = record();
    await expect(draw([tinyRequest], { budgets: { ram: 1e6 }, onEvent })).rejects.toMatchObject({
      code: "MEMORY_BUDGET",
    });
    expect(workOf(events)).toEqual([]);
  });
});
