/** Requests -> plans, on the tiny checkpoints: nothing is drawn. */

import { cp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { planSchema } from "../../src/plan/plan.ts";
import type { Request } from "../../src/plan/request.ts";
import type { CompletePlan } from "../../src/run/complete-plans.ts";
import type { RunEvent } from "../../src/run/events.ts";
import type { RunSettings } from "../../src/run/settings.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { goldenPath, goldenSampleSize } from "../golden.ts";
import { importBuilt, tinyRequest, tinySettings, tinyUntil } from "./tiny-cascade.ts";

const built = await importBuilt<typeof import("../../src/run/complete-plans.ts")>("run/complete-plans");

const complete = (requests: readonly Request[], settings: Partial<RunSettings> = {}): Promise<CompletePlan[]> =>
  built.completePlans(requests, { ...tinySettings, ...settings });
const failureOf = (changes: Partial<Request>): Promise<unknown> =>
  complete([{ ...tinyRequest, ...changes }]).then(
    () => "it succeeded",
    (error: unknown) => error,
  );
/** Notes of the second plan that the first one has not. */
const added = (before: CompletePlan | undefined, after: CompletePlan | undefined): string[] =>
  (after?.plan.notes ?? []).filter((note) => !before?.plan.notes.includes(note));
const input = (name: string): string => goldenPath("image", "inputs", name);

test("what the filter for captions leaves out of any text is said, unless the texts are not cleaned", async () => {
  const notesOf = async (changes: Partial<Request>): Promise<string[]> => {
    const [plan] = await complete([{ ...tinyRequest, ...changes }]);
    return (plan?.plan.notes ?? []).filter((note) => note.includes("filter for captions"));
  };
  const texts = { prompt: 'a sign that says "B2B"', negativePrompt: "10x20" };
  expect(await notesOf(texts)).toEqual([
    `IF's filter for captions leaves out "b2b", "10x20"; --no-clean-caption keeps them.`,
  ]);
  expect(await notesOf({ ...texts, cleanCaption: false })).toEqual([]);
  expect(await notesOf({})).toEqual([]);
});

test("a text that cannot be cleaned is refused, and of several jobs that one alone", async () => {
  const bad = "a cat <![of straw[ and a dog";
  expect(await failureOf({ prompt: bad })).toMatchObject({ code: "USAGE", message: expect.stringMatching(/cleaned/) });
  const failed: number[] = [];
  const plans = await complete([tinyRequest, { ...tinyRequest, prompt: bad }, tinyRequest], {
    onFailed: (job) => failed.push(job),
  });
  expect(failed).toEqual([1]);
  expect(plans.map(({ jobs }) => jobs)).toEqual([[0, 2]]);
});

describe("a cache for weights that are made here", () => {
  const withCache = (cache: string): void => {
    const before = process.env["XDG_CACHE_HOME"];
    onTestFinished(() => {
      if (before === undefined) delete process.env["XDG_CACHE_HOME"];
      else process.env["XDG_CACHE_HOME"] = before;
    });
    process.env["XDG_CACHE_HOME"] = cache;
  };

  test("that cannot be made is refused before anything runs, unless nothing has to be kept there", async () => {
    const file = join(temporaryFolder(), "file");
    await writeFile(file, "");
    withCache(join(file, "cache"));
    for (const bits of [{ unetBits: 8 }, { textEncoderBits: 4 }] as const) {
      const refused = await failureOf(bits);
      expect(refused).toMatchObject({ code: "OUTPUT" });
      expect(String(refused)).toMatch(
        /weights that are made here have no place \(XDG_CACHE_HOME sets it\): .*file is a file/,
      );
    }
    await complete([tinyRequest]);
  });

  test("that can be made is not made by planning", async () => {
    const folder = temporaryFolder();
    withCache(join(folder, "cache"));
    await complete([{ ...tinyRequest, unetBits: 8 }]);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("how requests become plans", () => {
  test("one plan for all that differ in their jobs alone, in their order", async () => {
    const others: Partial<Request>[] = [{ prompt: "a dog" }, { negativePrompt: "red" }, { seed: 9 }];
    const requests = [tinyRequest, ...others.map((changes) => ({ ...tinyRequest, ...changes }))];
    const plans = await complete(requests);
    expect(plans).toHaveLength(1);
    const [only] = plans;
    expect(only?.jobs).toEqual([0, 1, 2, 3]);
    expect(only?.requests).toEqual(requests);
    expect(only?.plan.jobs).toEqual(
      requests.map(({ prompt, negativePrompt, seed }) => ({ prompt, negativePrompt, seed })),
    );
  });

  test("a plan for each kind of settings, in the order of the first that has them", async () => {
    const requests = [
      tinyRequest,
      { ...tinyRequest, numImages: 2 },
      { ...tinyRequest, seed: 2 },
      { ...tinyRequest, stages: { "stage-1": { steps: 3 } } },
      { ...tinyRequest, numImages: 2, prompt: "a dog" },
    ];
    const plans = await complete(requests);
    expect(plans.map(({ jobs }) => jobs)).toEqual([[0, 2], [1, 4], [3]]);
    expect(plans.map(({ plan }) => plan.numImages)).toEqual([1, 2, 1]);
    expect(plans.map(({ plan }) => plan.stages[1])).toMatchObject([{ steps: 2 }, { steps: 2 }, { steps: 3 }]);
  });

  test("start images of one size share a plan, of another they do not", async () => {
    const from = (name: string): Request => ({
      ...tinyRequest,
      command: "img2img",
      start: { image: input(name), pasteBack: false },
    });
    const plans = await complete([from("wide_144x72.png"), from("square_64x64.png"), from("mask_144x72.png")]);
    expect(plans.map(({ jobs }) => jobs)).toEqual([[0, 2], [1]]);
    const side = goldenSampleSize("if-i");
    expect(plans.map(({ plan }) => plan.stages[1])).toMatchObject([
      { width: 2 * side, height: side },
      { width: side, height: side },
    ]);
    expect(plans[0]?.plan.jobs.map(({ start }) => start?.image)).toEqual(
      ["wide_144x72.png", "mask_144x72.png"].map(input),
    );
  });

  test("prompts in parts share a plan with those of as many parts; short ones are as ever", async () => {
    const long = `${"a red cat and ".repeat(20)}the end`;
    const concat: Request = { ...tinyRequest, longPrompt: "concat" };
    const requests = [concat, { ...concat, prompt: long }, { ...concat, negativePrompt: long }];
    const plans = await complete(requests);
    expect(plans.map(({ jobs }) => jobs)).toEqual([[0], [1, 2]]);
    const [short, inParts] = plans.map(({ plan }) => plan.stages);
    const [alone] = await complete([tinyRequest]);
    expect(short).toEqual(alone?.plan.stages);
    const textParts = expect.any(Number) as number;
    expect(inParts?.slice(0, 2)).toMatchObject([{ textParts }, { textParts }]);
    const peaks = plans.map(({ needs }) => needs.map(({ privateBytes }) => privateBytes));
    for (const stage of [0, 1]) expect(peaks[1]?.[stage]).toBeGreaterThan(peaks[0]?.[stage] ?? 0);
  });

  test("a plan is plain JSON, complete, and of its schema", async () => {
    const [made] = await complete([{ ...tinyUntil(1024), textEncoderBits: 8, threads: 1 }]);
    expect(planSchema.parse(JSON.parse(JSON.stringify(made?.plan)))).toEqual(made?.plan);
    expect(made?.plan).toMatchObject({
      provider: { requested: "cpu", name: "cpu" },
      gpuStages: {},
      ahead: [],
      threads: 1,
      textEncoder: { bits: 8, activations: "float32" },
    });
    expect(made?.needs.map(({ stage }) => stage)).toEqual(made?.plan.stages.map(({ name }) => name));
    expect(made?.limits).toMatchObject({ ramBytes: 4e9, vramBytes: 4e9 });
  });
});

describe("memory", () => {
  test("a small budget leads to a low-memory mode and a note that says so", async () => {
    const request: Request = { ...tinyUntil(256), numImages: 8 };
    const [whole] = await complete([request]);
    expect(whole?.plan.lowMemory).toEqual({});
    const ram = Math.max(...(whole?.needs ?? []).map(({ peakBytes }) => peakBytes)) - 1;
    const [small] = await complete([request], { budgets: { ram } });
    expect(Object.values(small?.plan.lowMemory ?? {})).toEqual([{ microBatch: expect.any(Number) as number }]);
    expect(added(whole, small)).toEqual([
      expect.stringMatching(/slower low-memory mode: stage-\d: micro-batches of \d/),
    ]);
    expect(small?.needs.every(({ verdict }) => verdict === "fits")).toBe(true);
  });

  test("is predicted for the shape that is asked for, of every stage", async () => {
    const [square] = await complete([tinyUntil(1024)]);
    const [long] = await complete([{ ...tinyUntil(1024), aspectRatio: { width: 3, height: 1 } }]);
    const side = goldenSampleSize("if-i");
    expect(long?.plan.stages[1]).toMatchObject({ width: 3 * side, height: side });
    const peaks = (plan: CompletePlan | undefined): number[] => plan?.needs.map(({ peakBytes }) => peakBytes) ?? [];
    const [before, after] = [peaks(square), peaks(long)];
    expect(after[0]).toBe(before[0]); // the text
    for (const stage of [1, 2, 3]) expect(after[stage]).toBeGreaterThan(before[stage]!);
  });

  test("a run that is gone on with keeps its modes, whatever is free now", async () => {
    const lowMemory = { "stage-1": { microBatch: 1 } };
    const resumedLowMemory = () => Promise.resolve(lowMemory);
    const [[fresh], [resumed]] = [await complete([tinyRequest]), await complete([tinyRequest], { resumedLowMemory })];
    expect(resumed?.plan).toEqual({ ...fresh?.plan, lowMemory });
  });

  test("what fits nowhere is planned none the less: drawing refuses it", async () => {
    const [made] = await complete([tinyRequest], { budgets: { ram: 1e6 } });
    expect(made?.needs.map(({ verdict }) => verdict)).toEqual(["too large", "too large"]);
  });
});

describe("notes", () => {
  test("what the machine does not have", async () => {
    const threads = availableParallelism() + 100;
    const [[plain], [made]] = [await complete([tinyRequest]), await complete([{ ...tinyRequest, threads }])];
    expect(added(plain, made)).toEqual([expect.stringMatching(new RegExp(`^--threads ${threads} is more than the`))]);
  });

  test("of its jobs' images, each sentence once", async () => {
    const painted = (x: number): Request => ({
      ...tinyRequest,
      command: "inpaint",
      start: {
        image: input("wide_144x72.png"),
        mask: {
          shapes: [{ kind: "rectangle", x, y: 0, width: 72, height: 72 }],
          file: input("mask_101x67.png"),
          invert: false,
        },
        pasteBack: true,
      },
    });
    const [made] = await complete([painted(0), painted(72)]);
    expect(made?.plan.notes.filter((note) => /was fitted to the image/.test(note))).toHaveLength(1);
  });
});

describe("what this machine does not have", () => {
  test("is said in a note", async () => {
    const [plain] = await complete([tinyUntil(64)]);
    const [made] = await complete([{ ...tinyUntil(64), threads: 1000, textEncoderDevice: "gpu" }]);
    expect(added(plain, made)).toEqual([
      expect.stringMatching(/^--threads 1000 is more than the \d+ hardware threads here/),
      "--text-encoder-device gpu has no effect on cpu: T5 runs on the CPU.",
    ]);
    expect(made?.plan.gpuStages).toEqual({});
  });
});

describe("refusals, before anything is run", () => {
  test("a model or an image that is not there; a combination that is not; a noise level beyond the stage's", async () => {
    expect(await failureOf({ model: "no-such-model" })).toMatchObject({ code: "CHECKPOINT" });
    expect(await failureOf({ stages: { "stage-1": { noiseLevel: 1 } } })).toMatchObject({ code: "USAGE" });
    expect(await failureOf({ textEncoderBits: 4, textEncoderActivations: "int8" })).toMatchObject({ code: "USAGE" });
    expect(await failureOf({ textEncoderBits: 4, textEncoderDevice: "gpu" })).toMatchObject({
      code: "USAGE",
      message: "--text-encoder-bits 4 is for the CPU; leave it or --text-encoder-device gpu out.",
    });
    expect(await failureOf({ textEncoderActivations: "int8", textEncoderDevice: "gpu" })).toMatchObject({
      code: "USAGE",
    });
    expect(
      await failureOf({ command: "img2img", start: { image: input("gone.png"), pasteBack: false } }),
    ).toMatchObject({ code: "INPUT_IMAGE" });
  });

  test("weights of words", async () => {
    const failure = { code: "USAGE", message: expect.stringMatching(/gives words a weight/) as string };
    expect(await failureOf({ prompt: "a (red:1.3) cat" })).toMatchObject(failure);
    expect(await failureOf({ positivePrompt: "(sharp:2)" })).toMatchObject(failure);
  });

  test("a file that only a later stage reads", async () => {
    const folder = temporaryFolder();
    await symlink(goldenPath("checkpoints", "if-i"), join(folder, "if-i"));
    await symlink(goldenPath("checkpoints", "x4-upscaler"), join(folder, "x4-upscaler"));
    await cp(goldenPath("checkpoints", "if-ii"), join(folder, "if-ii"), { recursive: true });
    await rm(join(folder, "if-ii", "image_noising_scheduler"), { recursive: true });
    const error = await failureOf({ ...tinyUntil(256), model: folder });
    expect(error).toMatchObject({
      code: "CHECKPOINT",
      message: expect.stringMatching(/image_noising_scheduler/) as string,
    });
    expect(await failureOf({ model: folder })).toBe("it succeeded");
  });

  test("nothing is fetched that may not be", async () => {
    const events: RunEvent[] = [];
    const request: Request = { ...tinyRequest, model: "if-m", stageModels: {} };
    const plans = complete([request], { onEvent: (event) => events.push(event) });
    await expect(plans).rejects.toMatchObject({ code: "HUB" });
    expect(events).toEqual([]);
  });
});
